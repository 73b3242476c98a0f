#!/bin/sh
# After an install or an upgrade, of the deb (configure OLD-VERSION) and of the rpm (1: install, 2: upgrade). It may run any number of times.
set -e

case "$1" in
configure | 1 | 2) ;;
*) exit 0 ;;
esac

if ! getent passwd pg-sync-roles >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --comment "pg-sync-roles" pg-sync-roles
fi

upgrade=
if [ "$1" = 2 ] || { [ "$1" = configure ] && [ -n "$2" ]; }; then upgrade=yes; fi

# In a container, or while an image is built, there is no systemd to tell.
systemd=
if [ -d /run/systemd/system ]; then systemd=yes; fi

# What systemd cannot do leaves the package installed all the same.
tell() { systemctl "$@" || echo "pg-sync-roles: systemctl $* has failed; systemctl status pg-sync-roles says why" >&2; }

if [ "$systemd" ]; then
	tell daemon-reload
	if [ "$upgrade" ]; then
		tell try-restart pg-sync-roles.service
	elif [ -s /etc/pg-sync-roles/database-url ]; then
		tell enable --now pg-sync-roles.service
	fi
fi

if [ ! -s /etc/pg-sync-roles/database-url ]; then
	cat <<'TEXT'
pg-sync-roles is installed, and not started: it does not know its database yet. As root, write the connection string, as in
postgres://sync_daemon:PASSWORD@db.example.com/warehouse?sslmode=verify-full&sslrootcert=system
into /etc/pg-sync-roles/database-url (mode 0600), and start it: systemctl enable --now pg-sync-roles
TEXT
elif [ "$systemd" ] && ! systemctl --quiet is-enabled pg-sync-roles.service; then
	echo "pg-sync-roles is installed, and not enabled. To start it: systemctl enable --now pg-sync-roles"
fi
