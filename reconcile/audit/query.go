package audit

import "embed"

//go:embed sql/*.sql
var sqlFiles embed.FS

// query returns the text of sql/<name>.sql.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}
