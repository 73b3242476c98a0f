package connect

// A keyword is one that libpq knows.
type keyword struct {
	env     string   // the environment variable that is its default
	allowed []string // its values; empty: any
	refused string   // why this program does not do as it says
}

const (
	notRevoked = "this program does not look at certificate revocation lists; have the server's certificate signed by a CA whose list is not needed, and leave this setting out"
	notOAuth   = "this program cannot authenticate by OAuth"
	notKeys    = "this program takes a password, not keys that were made of one"
)

// keywords are all that libpq 18 knows, and servicefile of libpq 19.
var keywords = map[string]keyword{
	"application_name":          {env: "PGAPPNAME"},
	"channel_binding":           {env: "PGCHANNELBINDING", allowed: []string{"disable", "prefer", "require"}},
	"client_encoding":           {},
	"connect_timeout":           {env: "PGCONNECT_TIMEOUT"},
	"dbname":                    {env: "PGDATABASE"},
	"fallback_application_name": {},
	"gssdelegation":             {env: "PGGSSDELEGATION"},
	"gssencmode":                {env: "PGGSSENCMODE", allowed: []string{"disable", "prefer", "require"}},
	"gsslib":                    {env: "PGGSSLIB"},
	"host":                      {env: "PGHOST"},
	"hostaddr":                  {env: "PGHOSTADDR"},
	"keepalives":                {},
	"keepalives_count":          {},
	"keepalives_idle":           {},
	"keepalives_interval":       {},
	"krbsrvname":                {env: "PGKRBSRVNAME"},
	"load_balance_hosts":        {env: "PGLOADBALANCEHOSTS", allowed: []string{"disable", "random"}},
	"max_protocol_version":      {env: "PGMAXPROTOCOLVERSION", allowed: []string{"3.0", "3.2", "latest"}},
	"min_protocol_version":      {env: "PGMINPROTOCOLVERSION", allowed: []string{"3.0", "3.2", "latest"}},
	"oauth_client_id":           {refused: notOAuth},
	"oauth_client_secret":       {refused: notOAuth},
	"oauth_issuer":              {refused: notOAuth},
	"oauth_scope":               {refused: notOAuth},
	"options":                   {env: "PGOPTIONS"},
	"passfile":                  {env: "PGPASSFILE"},
	"password":                  {env: "PGPASSWORD"},
	"port":                      {env: "PGPORT"},
	"replication":               {refused: "this program needs an ordinary session"},
	"require_auth":              {env: "PGREQUIREAUTH"},
	"requirepeer":               {env: "PGREQUIREPEER", refused: "this program cannot tell who runs the server behind a socket; guard the socket's directory instead"},
	"requiressl":                {env: "PGREQUIRESSL", refused: "it is obsolete; say sslmode=require"},
	"scram_client_key":          {refused: notKeys},
	"scram_server_key":          {refused: notKeys},
	"service":                   {env: "PGSERVICE"},
	"servicefile":               {env: "PGSERVICEFILE"},
	"ssl_max_protocol_version":  {env: "PGSSLMAXPROTOCOLVERSION"},
	"ssl_min_protocol_version":  {env: "PGSSLMINPROTOCOLVERSION"},
	"sslcert":                   {env: "PGSSLCERT"},
	"sslcertmode":               {env: "PGSSLCERTMODE", allowed: []string{"disable", "allow", "require"}},
	"sslcompression":            {env: "PGSSLCOMPRESSION"}, // without effect since libpq 14
	"sslcrl":                    {env: "PGSSLCRL", refused: notRevoked},
	"sslcrldir":                 {env: "PGSSLCRLDIR", refused: notRevoked},
	"sslkey":                    {env: "PGSSLKEY"},
	"sslkeylogfile":             {refused: "this program writes no TLS keys to a file"},
	"sslmode":                   {env: "PGSSLMODE", allowed: []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
	"sslnegotiation":            {env: "PGSSLNEGOTIATION", allowed: []string{"postgres", "direct"}},
	"sslpassword":               {env: "PGSSLPASSWORD"}, // the variable is pgx's
	"sslrootcert":               {env: "PGSSLROOTCERT"},
	"sslsni":                    {env: "PGSSLSNI", allowed: []string{"0", "1"}},
	"target_session_attrs":      {env: "PGTARGETSESSIONATTRS", allowed: []string{"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}},
	"tcp_user_timeout":          {},
	"timezone":                  {env: "PGTZ"}, // in libpq the variable alone
	"user":                      {env: "PGUSER"},
}

// variableOnly is not to be given in a connection string.
const variableOnly = "timezone"

func known(word string) bool {
	_, ok := keywords[word]
	return ok && word != variableOnly
}
