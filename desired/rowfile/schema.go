package rowfile

import _ "embed"

// Schema is the JSON Schema of a YAML file, by which editors complete and check it.
//
//go:embed rows.schema.json
var Schema string
