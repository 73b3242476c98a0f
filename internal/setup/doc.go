// Package setup says what a DBA does once for a daemon: the SQL for this server and these names, and what of it is missing.
//
// It reads facts, and decides on them alone; it changes nothing.
package setup
