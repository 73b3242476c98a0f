"""An ETL job that replaces a table and says who may read it, in one transaction.

    pip install "psycopg[binary]"
    python etl.py "postgresql://etl@db.example.com/warehouse"

Readers see either the old table or the new one. The new one is another table and holds no privileges yet: the rows written here
queue its readers, the daemon grants within milliseconds of the commit, and wait_for_sync returns when that is done.
"""

import sys

import psycopg

READERS = ["alice", "bob"]

UPSERT = """
    INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note)
    VALUES (%s, 'SELECT', 'table', 'sales', 'orders_2025', 'etl.py')
    ON CONFLICT (role_name, selector)
    DO UPDATE SET note = excluded.note
"""

with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    with connection.transaction():
        connection.execute("SET LOCAL ROLE sales_owner")  # the new table belongs to whom the old one belonged to
        connection.execute("CREATE TABLE sales.orders_new AS SELECT n AS id, 10 * n AS price FROM generate_series(1, 5) AS n")
        connection.execute("DROP TABLE IF EXISTS sales.orders_2025")
        connection.execute("ALTER TABLE sales.orders_new RENAME TO orders_2025")
        connection.execute("RESET ROLE")  # rows are written, and checked, as the job's own role
        connection.cursor().executemany(UPSERT, [(reader,) for reader in READERS])
    for reader in READERS:
        connection.execute("SELECT sync_roles.wait_for_sync(%s)", (reader,))
