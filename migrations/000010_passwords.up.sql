-- A verifier is as good as a password to whoever cracks it. So it never leaves the server: a pass calls this function, and no statement that a client
-- sends has the verifier in it, which log_statement, log_min_duration_statement, log_min_error_statement and pg_stat_activity would show.
CREATE FUNCTION sync_roles.apply_password(role_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
    verifier text;
BEGIN
    SELECT d.password_verifier INTO verifier FROM sync_roles.desired_roles AS d WHERE d.role_name = apply_password.role_name;
    IF verifier IS NULL THEN
        RETURN; -- the row is gone, or leaves the password alone by now
    END IF;
    -- PostgreSQL would hash anything else as a plaintext password. Rows that a restore brought were not checked when they were written.
    IF verifier <> '' AND NOT sync_roles.is_scram_verifier(verifier) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('password_verifier of role %s is not a SCRAM-SHA-256 verifier', quote_literal(role_name));
    END IF;
    BEGIN
        IF verifier = '' THEN
            EXECUTE format('ALTER ROLE %I PASSWORD NULL', role_name);
        ELSE
            EXECUTE format('ALTER ROLE %I PASSWORD %L', role_name, verifier);
        END IF;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        -- The error as it was would name the statement, as its context, in the server's log.
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
    END;
    INSERT INTO sync_roles.applied_passwords (role_oid, fingerprint)
    SELECT r.oid, encode(sha256(convert_to(verifier, 'UTF8')), 'hex')
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = apply_password.role_name
    ON CONFLICT (role_oid) DO UPDATE SET fingerprint = excluded.fingerprint;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.apply_password(text) FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.apply_password(text) IS 'Gives a role the password that desired_roles.password_verifier asks for. For the daemon.';

UPDATE sync_roles.installation SET schema_version = 10;
