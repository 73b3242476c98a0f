#!/sbin/openrc-run
# The daemon on Alpine: /etc/init.d/pg-sync-roles.

description="Keeps PostgreSQL roles' privileges equal to rows in a table"
url=/etc/pg-sync-roles/database-url
command=/usr/bin/pg-sync-roles
command_args=run
command_user=pg-sync-roles:pg-sync-roles
supervisor=supervise-daemon
respawn_delay=10
output_logger="logger -t pg-sync-roles"
error_logger="logger -t pg-sync-roles"

depend() {
	need net
	after postgresql
}

start_pre() {
	if [ ! -s "$url" ]; then
		eerror "$url is missing: write the connection string into it (mode 0600), and start the service again."
		return 1
	fi
	# Only root can read the string; the daemon gets a copy.
	checkpath --directory --mode 0700 --owner pg-sync-roles:pg-sync-roles /run/pg-sync-roles
	install -m 0400 -o pg-sync-roles -g pg-sync-roles "$url" /run/pg-sync-roles/database-url
	export PG_SYNC_ROLES_DATABASE_URL_FILE=/run/pg-sync-roles/database-url
	set -a
	. /etc/pg-sync-roles/pg-sync-roles.env
	set +a
}

stop_post() {
	rm -rf /run/pg-sync-roles
}
