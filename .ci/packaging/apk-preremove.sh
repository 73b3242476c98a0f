#!/bin/sh
# Before the program goes, on Alpine. What a DBA has written stays, the connection string among it.
set -e

if command -v rc-service >/dev/null; then
	rc-service --ifstarted pg-sync-roles stop
	rc-update --quiet del pg-sync-roles 2>/dev/null || true
fi
