package chain

// The hashes are SHA-256 over a JSON array of the columns, in which nothing depends on the settings of a session: the times are numbers, and what
// becomes text has one form. The daemon computes them as it writes (encode.go), at a tenth of PostgreSQL's cost; what verifies computes them by these
// expressions, from what is stored. They are a contract with whoever verifies by other means: docs/audit.md has them.
const (
	// hashEncoding is UTF-8 also where the database has another encoding, unless what is stored has no encoding.
	hashEncoding = `CASE WHEN getdatabaseencoding() IN ('SQL_ASCII', 'MULE_INTERNAL') THEN getdatabaseencoding() ELSE 'UTF8' END`

	// RowHashSQL is the hash of a row of sync_roles.audit AS a.
	RowHashSQL = `sha256(convert_to(json_build_array(
    'audit', a.seq, encode(a.previous_hash, 'hex'), a.id, extract(epoch FROM a.at)::text, a.role_name, a.cause, a.outcome, a.granted, a.revoked,
    a.statements, a.problems, a.sqlstate, a.error, a.requested_by, a.attempt, to_char(a.duration, 'YYYY-MM-DD HH24:MI:SS.US'), a.instance,
    a.pass::text
)::text, ` + hashEncoding + `))`

	// RemovalHashSQL is the hash of a row of sync_roles.audit_removals AS r.
	RemovalHashSQL = `sha256(convert_to(json_build_array(
    'removal', r.seq, encode(r.previous_hash, 'hex'), extract(epoch FROM r.at)::text, extract(epoch FROM r.older_than)::text, r.rows, r.rows_before,
    r.rows_changed, r.last_id, extract(epoch FROM r.last_at)::text, r.runs, r.instance, r.pass::text
)::text, ` + hashEncoding + `))`

	// beginHashSQL is the hash that the first place follows, of sync_roles.audit_chain AS c.
	beginHashSQL = `sha256(convert_to(json_build_array('begin', extract(epoch FROM c.begun_at)::text, c.rows_before, c.id_before)::text, 'UTF8'))`
)
