package chain

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

var midnight = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// place is the link at a place after the one before, as it would be written.
func place(before link) link {
	l := link{first: before.last + 1, last: before.last + 1, id: 10 * (before.last + 1), intact: true, previous: before.hash, at: before.at.Add(time.Second)}
	sum := sha256.Sum256(fmt.Append(nil, l.first, l.previous))
	l.hash = sum[:]
	return l
}

// written is a chain of n places, after its beginning.
func written(n int) []link {
	list := []link{{intact: true, hash: []byte("begin"), at: midnight}}
	for range n {
		list = append(list, place(list[len(list)-1]))
	}
	return list
}

// removed puts runs in the place of these links, as a removal does that is written at the end.
func removed(list []link, places ...int) []link {
	var kept, runs []link
	var youngest time.Time
	for i, l := range list {
		if !slices.Contains(places, i) {
			kept = append(kept, l)
			continue
		}
		youngest = l.at
		if n := len(runs) - 1; n >= 0 && runs[n].last+1 == l.first {
			runs[n].last, runs[n].hash = l.last, l.hash
			continue
		}
		l.id, l.run = 0, true
		runs = append(runs, l)
	}
	for i := range runs {
		runs[i].at = youngest
	}
	record := place(list[len(list)-1])
	record.id = 0
	return sorted(append(append(kept, runs...), record))
}

func sorted(list []link) []link {
	slices.SortStableFunc(list, func(a, b link) int { return cmp.Compare(a.first, b.first) })
	return list
}

func headOf(list []link) Head {
	l := list[len(list)-1]
	return Head{l.last, hex.EncodeToString(l.hash)}
}

func walked(list []link, head Head, noted ...Head) []Finding {
	w := newWalk(list[0], head, noted)
	for _, l := range list[1:] {
		w.add(l)
	}
	w.end()
	return w.list
}

// short is what a finding says, without the reason.
func short(list []Finding) []string {
	var texts []string
	for _, f := range list {
		texts = append(texts, fmt.Sprintf("%s %d-%d", f.Kind, f.First, f.Last))
	}
	return texts
}

func TestWalk(t *testing.T) {
	t.Parallel()
	intact := func(l *link) { l.intact = false }
	for name, test := range map[string]struct {
		tamper func(list []link) []link
		head   func(Head) Head
		want   []string
	}{
		"nothing":          {tamper: func(l []link) []link { return l }},
		"the first gone":   {tamper: func(l []link) []link { return slices.Delete(l, 1, 2) }, want: []string{"missing 1-1"}},
		"some gone":        {tamper: func(l []link) []link { return slices.Delete(l, 3, 6) }, want: []string{"missing 3-5"}},
		"the end gone":     {tamper: func(l []link) []link { return l[:7] }, want: []string{"missing 7-9"}},
		"all gone":         {tamper: func(l []link) []link { return l[:1] }, want: []string{"missing 1-9"}},
		"one changed":      {tamper: func(l []link) []link { intact(&l[4]); return l }, want: []string{"changed 4-4"}},
		"several changed":  {tamper: func(l []link) []link { intact(&l[4]); intact(&l[5]); intact(&l[6]); return l }, want: []string{"changed 4-6"}},
		"the last changed": {tamper: func(l []link) []link { intact(&l[9]); return l }, want: []string{"changed 9-9"}},
		"one replaced, hash and all": {
			tamper: func(l []link) []link { l[4].hash = []byte("other"); return l },
			want:   []string{"changed 4-4"},
		},
		"the last replaced, hash and all": {
			tamper: func(l []link) []link { l[9].hash = []byte("other"); return l },
			want:   []string{"changed 9-9"},
		},
		"one replaced, and what follows adjusted": {
			tamper: func(l []link) []link {
				l[4].hash, l[5].previous = []byte("other"), []byte("other")
				intact(&l[5])
				return l
			},
			want: []string{"changed 5-5"},
		},
		"two exchanged": {
			tamper: func(l []link) []link {
				l[4].id, l[5].id = l[5].id, l[4].id
				intact(&l[4])
				intact(&l[5])
				return l
			},
			want: []string{"changed 4-4", "reordered 5-5"},
		},
		"one twice, the second time with another hash": {
			tamper: func(l []link) []link {
				forged := l[4]
				forged.id, forged.hash = 1000, []byte("other")
				return slices.Insert(l, 5, forged)
			},
			want: []string{"inserted 4-4"},
		},
		"one twice, the first time with another hash": {
			tamper: func(l []link) []link {
				forged := l[4]
				forged.hash = []byte("other")
				return slices.Insert(l, 4, forged)
			},
			want: []string{"inserted 4-4"},
		},
		"one twice, the first time damaged": {
			tamper: func(l []link) []link {
				forged := l[4]
				intact(&forged)
				return slices.Insert(l, 4, forged)
			},
			want: []string{"inserted 4-4"},
		},
		"one beyond the end":            {tamper: func(l []link) []link { return append(l, place(l[9])) }, want: []string{"inserted 10-10"}},
		"one before the beginning":      {tamper: func(l []link) []link { return slices.Insert(l, 1, link{first: -1, last: -1, intact: true}) }, want: []string{"inserted -1--1"}},
		"the beginning changed":         {tamper: func(l []link) []link { l[0].intact = false; return l }, want: []string{"changed 0-0"}},
		"the beginning replaced":        {tamper: func(l []link) []link { l[0].hash = []byte("other"); return l }, want: []string{"changed 0-0"}},
		"the head set back":             {tamper: func(l []link) []link { return l }, head: func(Head) Head { return headOf(written(7)) }, want: []string{"inserted 8-9"}},
		"the head's hash changed":       {tamper: func(l []link) []link { return l }, head: func(h Head) Head { return Head{h.Seq, "00"} }, want: []string{"changed 9-9"}},
		"the head's hash ruined":        {tamper: func(l []link) []link { return l }, head: func(h Head) Head { return Head{h.Seq, "?"} }, want: []string{"changed 9-9"}},
		"the head ahead":                {tamper: func(l []link) []link { return l }, head: func(h Head) Head { return Head{h.Seq + 2, h.Hash} }, want: []string{"missing 10-11"}},
		"some gone, and others damaged": {tamper: func(l []link) []link { intact(&l[8]); return slices.Delete(l, 3, 6) }, want: []string{"missing 3-5", "changed 8-8"}},
	} {
		list := written(9)
		head := headOf(list)
		if test.head != nil {
			head = test.head(head)
		}
		if got := short(walked(test.tamper(list), head)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// A removal bridges what it accounts for, and nothing else.
func TestWalkOverRemovals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		removed []int
		tamper  func(list []link) []link
		want    []string
	}{
		"the beginning":       {removed: []int{1, 2, 3}},
		"the middle":          {removed: []int{4, 5}},
		"the end":             {removed: []int{8, 9}},
		"all":                 {removed: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"every other":         {removed: []int{1, 3, 5, 7, 9}},
		"more than is told":   {removed: []int{1, 2}, tamper: func(l []link) []link { return slices.Delete(l, 2, 3) }, want: []string{"missing 3-3"}},
		"less than is told":   {removed: []int{1, 2, 3}, tamper: func(l []link) []link { return sorted(append(l, written(2)[2])) }, want: []string{"inserted 2-2"}},
		"the record gone too": {removed: []int{1, 2, 3}, tamper: func(l []link) []link { return l[:len(l)-1] }, want: []string{"missing 10-10"}},
		"one put back":        {removed: []int{3, 4}, tamper: func(l []link) []link { return sorted(append(l, written(3)[3])) }, want: []string{"inserted 3-3"}},
		"told of another age": {
			removed: []int{4, 5},
			tamper:  func(l []link) []link { l[4].at = midnight.Add(-time.Hour); return l },
			want:    []string{"changed 4-5"},
		},
		"a run with another end": {
			removed: []int{4, 5},
			tamper:  func(l []link) []link { l[4].hash = []byte("other"); return l },
			want:    []string{"changed 4-5"},
		},
		"a run of nothing": {removed: []int{4, 5}, tamper: func(l []link) []link { l[4].last = 3; return l }, want: []string{"inserted 4-3", "missing 4-5"}},
	} {
		list := written(9)
		rest := removed(list, test.removed...)
		head := headOf(rest)
		if test.tamper != nil {
			rest = test.tamper(rest)
		}
		if got := short(walked(rest, head)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// A head that was noted is met as long as a row or a removal ends there.
func TestWalkMeetsNotedHeads(t *testing.T) {
	t.Parallel()
	list := written(9)
	head := headOf(list)
	for name, test := range map[string]struct {
		list  []link
		noted Head
		want  []string
	}{
		"the newest":             {list, head, nil},
		"an older":               {list, headOf(list[:5]), nil},
		"the beginning":          {list, headOf(list[:1]), nil},
		"another hash":           {list, Head{5, head.Hash}, []string{"head 5-5"}},
		"another beginning":      {list, Head{0, head.Hash}, []string{"head 0-0"}},
		"later than the chain":   {list, Head{12, head.Hash}, []string{"head 12-12"}},
		"the end of a removal":   {removed(list, 2, 3, 4), headOf(list[:5]), nil},
		"the inside of one":      {removed(list, 2, 3, 4), headOf(list[:4]), []string{"head 3-3"}},
		"the inside of a gap":    {slices.Concat(list[:3], list[6:]), headOf(list[:5]), []string{"missing 3-5", "head 4-4"}},
		"before what is damaged": {list, headOf(list[:5]), nil},
	} {
		if got := short(walked(test.list, headOf(test.list), test.noted)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Whatever is deleted, changed, moved or added to a chain with removals is found; an untouched one is always in order.
func TestWalkFindsWhateverIsDone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 1))
		list := written(1 + random.IntN(30))
		for range random.IntN(4) {
			var places []int
			for i := range list[1:] {
				if random.IntN(3) == 0 && !list[i+1].run && list[i+1].id != 0 {
					places = append(places, i+1)
				}
			}
			list = removed(list, places...)
		}
		head := headOf(list)
		if got := walked(list, head); got != nil {
			t.Fatalf("seed %d: untouched, and %v", seed, got)
		}
		i := 1 + random.IntN(len(list)-1)
		l := &list[i]
		switch random.IntN(6) {
		case 0:
			list = slices.Delete(list, i, i+1)
		case 1:
			l.intact = l.run // the runs of a damaged record are not read at all
			l.hash = []byte("other")
		case 2:
			l.hash = bytes.Clone(l.hash)
			l.hash[random.IntN(32)]++
		case 3:
			l.previous = bytes.Clone(l.previous)
			l.previous[0]++
		case 4:
			l.last += int64(1 + random.IntN(3))
		case 5:
			list = slices.Insert(list, i, list[1+random.IntN(len(list)-1)])
			sorted(list)
		}
		if got := walked(list, head); got == nil {
			t.Fatalf("seed %d: tampered with at %d, and nothing found", seed, i)
		}
	}
}

// A ruined audit is told in bounded memory.
func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	list := written(1000)
	for i := 2; i < len(list); i += 2 {
		list[i].intact = false
	}
	w := newWalk(list[0], headOf(list), nil)
	for _, l := range list[1:] {
		w.add(l)
	}
	w.end()
	if len(w.list) != findingsKept || w.more != 500-findingsKept {
		t.Errorf("%d findings, and %d more", len(w.list), w.more)
	}
}

func TestParseHead(t *testing.T) {
	t.Parallel()
	head := headOf(written(3))
	if got, err := ParseHead(head.String()); err != nil || got != head {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "3", ":" + head.Hash, "x:" + head.Hash, "-1:" + head.Hash, "3:", "3:" + head.Hash[1:], "3:" + head.Hash + "0", "3:g" + head.Hash[1:]} {
		if _, err := ParseHead(bad); err == nil {
			t.Errorf("%q is taken for a head", bad)
		}
	}
}
