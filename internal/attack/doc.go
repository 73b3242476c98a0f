// Package attack tries, as each actor of docs/threat-model.md and with real logins, to get more than a DBA gave, to keep what was
// revoked, or to keep others from getting or losing theirs. Each test sees that it fails, and that nothing changed.
//
// A file holds one actor's attacks. They know the program by its command line and its schema alone.
package attack
