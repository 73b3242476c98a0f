-- The privileges that an object type has on this server.
-- $1 text: the type
SELECT p.privilege FROM unnest(sync_roles.privileges_of($1)) WITH ORDINALITY AS p (privilege, i) ORDER BY p.i;
