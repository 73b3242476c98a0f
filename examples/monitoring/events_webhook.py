#!/usr/bin/env python3
"""Post what pg-sync-roles does to a webhook, such as a chat's.

    pip install 'psycopg[binary]'
    events_webhook.py --state /var/lib/events_webhook.id 'dbname=warehouse user=events' https://chat.example.com/hook

The daemon notifies the channel sync_roles_events. Any login can do that too, and a notification is lost while nobody listens. So an event only says
that it is time to look: what is posted are the rows of sync_roles.audit after the last one that was posted, whose id is kept in the state file. The
login needs:

    CREATE ROLE events LOGIN;
    GRANT USAGE ON SCHEMA sync_roles TO events;
    GRANT SELECT ON sync_roles.audit TO events;
"""

import argparse
import json
import os
import sys
import time
import urllib.request

import psycopg
from psycopg.rows import dict_row

ROWS = """
    SELECT id, at, role_name, cause, outcome AS event, granted, revoked, statements, problems, error
    FROM sync_roles.audit
    WHERE id > %s AND outcome = ANY (%s)
    ORDER BY id
    LIMIT 100
"""


def arguments():
    parser = argparse.ArgumentParser(description="Post what pg-sync-roles does to a webhook.")
    parser.add_argument("--state", required=True, help="file with the id of the last row that was posted")
    parser.add_argument("--event", action="append", help="applied, held, blocked, refused or failed (may be repeated; default: all)")
    parser.add_argument("--once", action="store_true", help="post what there is, and end")
    parser.add_argument("conninfo", help="of the database: libpq's keywords or a URL")
    parser.add_argument("webhook", help="URL that takes JSON by POST")
    return parser.parse_args()


def last_posted(path, connection):
    """The id to go on from. Without a state file that is the newest row: history is not posted."""
    try:
        with open(path) as file:
            return int(file.read())
    except FileNotFoundError:
        newest = connection.execute("SELECT coalesce(max(id), 0) AS id FROM sync_roles.audit").fetchone()["id"]
        remember(path, newest)
        return newest


def remember(path, row_id):
    with open(path + ".new", "w") as file:
        file.write(str(row_id))
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def post(webhook, row):
    body = json.dumps(row, default=str).encode()
    request = urllib.request.Request(webhook, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10):
        pass


def post_new(connection, args, events):
    """Post the rows that are new. One that the webhook does not take is tried again: what was posted twice has the same id."""
    last = last_posted(args.state, connection)
    while rows := connection.execute(ROWS, (last, events)).fetchall():
        for row in rows:
            post(args.webhook, row)
            last = row["id"]
            remember(args.state, last)


def main():
    args = arguments()
    events = args.event or ["applied", "held", "blocked", "refused", "failed"]
    while True:
        try:
            with psycopg.connect(args.conninfo, autocommit=True, row_factory=dict_row) as connection:
                connection.execute("LISTEN sync_roles_events")  # first: what commits while we look is notified
                post_new(connection, args, events)
                while not args.once:
                    for _ in connection.notifies(timeout=60, stop_after=1):
                        pass
                    post_new(connection, args, events)
                return
        except (psycopg.OperationalError, OSError) as error:
            if args.once:
                sys.exit(f"events_webhook: {error}")
            print(f"events_webhook: {error}; trying again in 5 s", file=sys.stderr)
            time.sleep(5)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
