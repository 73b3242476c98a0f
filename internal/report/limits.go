package report

// What a reader must know to judge a report.
var (
	limitsNow = []string{
		"What PUBLIC has, every role has: it is listed once, for the role public.",
		"Superusers may do everything: each has one line for that.",
		"effective is no where a role has a privilege and cannot use it: it lacks USAGE on the schema, or what a view needs. Which rows row-level security shows is not told, nor whether a role may CONNECT.",
		"effective is possible where code runs that cannot be looked into, or for PUBLIC where it depends on what else a role has.",
		"held_since is when history first had it; since_is_exact: a pass gave it, otherwise it was given before a rescan saw it.",
		"Schemas of PostgreSQL and of pg-sync-roles itself are left out.",
		"The database's own roles pg_... and the intermediate roles of pg-sync-roles are listed in the paths of those that have something by them.",
	}
	limitsThen = []string{
		"This is what was on record: what passes did, exactly, and what others did, when a rescan or event trigger saw it (since_is_exact: false).",
		"On record are ACL entries, owners and, of managed roles, memberships. What an owner may do is not listed beside OWNER, nor what superusers, predefined roles and code can do.",
		"Whether a membership had INHERIT and SET is not on record: each is taken to have had them.",
		"What PUBLIC had, every role had: it is listed once, for the role public.",
		"What partitions belong to is told by the partitions of today.",
		"Reviews and requests of the period are as they stand now, and the audit was verified up to now.",
	}
)
