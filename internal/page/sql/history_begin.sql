-- From when access_as_of can answer.
SELECT h.since FROM sync_roles.history_begin AS h;
