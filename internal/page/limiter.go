package page

import (
	"sync"
	"time"
)

// Wrong logins: so many at once, and then one in each such time, from one address, and for one role.
const (
	burstOfAddress, pauseOfAddress = 10, 6 * time.Second
	burstOfRole, pauseOfRole       = 20, 3 * time.Second

	maxCounted = 10_000 // addresses and roles that are counted by themselves; the others share one count
)

// limiter bounds how many passwords can be tried. Each try takes a token, and a login that is right gives it back.
type limiter struct {
	now     func() time.Time
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	burst  int
	pause  time.Duration
	tokens float64
	at     time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, buckets: map[string]*bucket{}}
}

// attempt is a try to log in that was let through.
type attempt struct {
	limiter *limiter
	buckets []*bucket
}

// take lets a try through, or says how long to wait.
func (l *limiter) take(address, role string) (*attempt, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &attempt{limiter: l, buckets: []*bucket{
		l.bucket("address "+address, burstOfAddress, pauseOfAddress), l.bucket("role "+role, burstOfRole, pauseOfRole),
	}}
	var wait time.Duration
	for _, b := range a.buckets {
		b.fill(l.now())
		if b.tokens < 1 {
			wait = max(wait, time.Duration((1-b.tokens)*float64(b.pause)))
		}
	}
	if wait > 0 {
		return nil, wait
	}
	for _, b := range a.buckets {
		b.tokens--
	}
	return a, 0
}

// giveBack is for a try that was right, or that was not decided.
func (a *attempt) giveBack() {
	a.limiter.mu.Lock()
	defer a.limiter.mu.Unlock()
	for _, b := range a.buckets {
		b.tokens = min(b.tokens+1, float64(b.burst))
	}
}

func (l *limiter) bucket(key string, burst int, pause time.Duration) *bucket {
	if l.buckets[key] == nil && len(l.buckets) >= maxCounted {
		l.forget()
		if len(l.buckets) >= maxCounted {
			key = "others"
		}
	}
	if l.buckets[key] == nil {
		l.buckets[key] = &bucket{burst: burst, pause: pause, tokens: float64(burst), at: l.now()}
	}
	return l.buckets[key]
}

// forget forgets those who have tried nothing for long.
func (l *limiter) forget() {
	for key, b := range l.buckets {
		if b.fill(l.now()); b.tokens >= float64(b.burst) {
			delete(l.buckets, key)
		}
	}
}

func (b *bucket) fill(now time.Time) {
	b.tokens = min(b.tokens+float64(now.Sub(b.at))/float64(b.pause), float64(b.burst))
	b.at = now
}
