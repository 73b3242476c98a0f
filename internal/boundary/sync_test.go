package boundary

// syncer lets "pg-sync-roles sync" do the passes: one that fails, and one more.
type syncer struct{ proxy *proxy }

func newSyncer(l *lane) driver {
	return &syncer{newProxy(l.t, l.env.URL(l.env.Daemon))}
}

func (d *syncer) play(l *lane, s step, k *strike, change func()) []string {
	l.t.Helper()
	change()
	d.proxy.arm(s.name, k)
	code, said := d.sync(l, s, d.proxy.url(l.env.URL(l.env.Daemon)))
	trail := d.proxy.disarm()
	at := "undisturbed"
	if k != nil && k.hit {
		at = k.String()
		code, said = d.sync(l, s, l.env.URL(l.env.Daemon))
	}
	want := 0
	for _, status := range s.status {
		if status != "waiting" {
			want = 1
		}
	}
	if code != want {
		l.t.Errorf("%s, %s: sync ended with %d, want %d: %s", s.name, at, code, want, said)
	}
	return trail
}

func (d *syncer) sync(l *lane, s step, url string) (code int, said string) {
	l.t.Helper()
	args := append([]string{"sync", "-d", url}, l.options()...)
	if s.prune {
		args = append(args, "--prune")
	}
	code, said, err := execute(l.ctx, l.program, args...)
	if err != nil {
		l.t.Fatalf("sync: %v: %s", err, said)
	}
	return code, said
}
