package migrations_test

import (
	"sync"
	"testing"
)

// Upserts of the same rows by several sessions at once wait for one another, and none fails.
func TestUpsertsMeet(t *testing.T) {
	t.Parallel()
	env := installed(t)
	var writers sync.WaitGroup
	for range 4 {
		conn := env.Connect(t, env.Daemon)
		writers.Go(func() {
			for i := range 150 {
				for _, sql := range []string{
					`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 's', 't')
						on conflict (role_name, selector) do update set note = 'again'`,
					"delete from sync_roles.desired_grants where role_name = $1",
				} {
					if _, err := conn.Exec(t.Context(), sql, "role_"+string(rune('a'+i%2))); err != nil {
						t.Errorf("%s: %v", sql, err)
						return
					}
				}
			}
		})
	}
	writers.Wait()
}
