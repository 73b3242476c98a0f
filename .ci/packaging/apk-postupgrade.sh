#!/bin/sh
# After an upgrade on Alpine: a daemon that runs is started anew, and one that does not stays so.
set -e

if command -v rc-service >/dev/null && rc-service --quiet pg-sync-roles status 2>/dev/null; then rc-service pg-sync-roles restart; fi
