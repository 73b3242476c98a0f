// Package connect turns a connection string, libpq's environment and the files that these name into the configuration of a connection.
//
// It keeps PostgreSQL's own rules (libpq: fe-connect.c, fe-secure-openssl.c). pgx has most of them; a setting that it lacks is supplied here,
// or refused by name. None is passed over where that would make a connection weaker than it was asked to be.
//
// No error and no warning repeats any part of a connection string: where it cannot be read, each part may be a piece of the password.
package connect
