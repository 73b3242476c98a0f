-- Locks objects in ACCESS SHARE mode until the transaction ends, and counts those that no longer bear their names. pg_get_object_address
-- keeps the lock under
-- which it finds an object (get_object_address in objectaddress.c), and finds only what the connected role can name. It locks out DROP,
-- and the renaming of all
-- but schemas and types (RenameSchema in schemacmds.c and RenameType in typecmds.c lock nothing).
-- $1 oid[], $2 oid[], $3 text[], $4 text[]: catalog, object, the schema that it is in or '', and its name
SELECT count(CASE
    WHEN o.schema_name <> '' AND NOT has_schema_privilege(o.schema_name, 'USAGE') THEN NULL
    WHEN pg_get_object_address(i.type, i.object_names, i.object_args) IS NULL
        OR (pg_identify_object_as_address(o.class_oid, o.object_oid, 0)).object_names
            NOT IN (ARRAY[o.schema_name, o.object_name], ARRAY[o.object_name], ARRAY[format('%I.%I', o.schema_name, o.object_name)])
        THEN true
END)
FROM unnest($1::oid[], $2::oid[], $3::text[], $4::text[]) AS o (class_oid, object_oid, schema_name, object_name)
CROSS JOIN LATERAL pg_identify_object_as_address(o.class_oid, o.object_oid, 0) AS i;
