// Package pgserver starts a throw-away PostgreSQL: a fresh cluster in a temporary folder, listening on 127.0.0.1
// alone, that is gone when it is stopped. The demo plays on one, and every test that needs a database runs on one.
//
// It promises that
//
//   - it needs no set-up: Locate finds PostgreSQL on the machine, or downloads it once;
//   - it works for root, for whom PostgreSQL itself refuses to run: the server then belongs to another user of the
//     operating system;
//   - nothing stays behind: when this program dies without a Stop, killed or by a panic, a reaper ends the server and
//     removes its folder.
//
// By default whoever can reach 127.0.0.1 may log in as anyone, the superuser included. So put nothing there that
// matters.
package pgserver
