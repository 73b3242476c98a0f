-- How many rows a relation has, and a hash over their versions, which is another after each committed change, whoever made it and how.
-- :relation is its name
SELECT count(*) || ' ' || coalesce(bit_xor(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0)
FROM :relation AS t;
