package rowfile

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustRead(t *testing.T, text string) File {
	t.Helper()
	f, err := ReadYAML(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// An entry with lists stands for each combination; a comment is the note of an entry that has none.
func TestReadYAML(t *testing.T) {
	t.Parallel()
	f := mustRead(t, `# who reads what
source: team
grants:
  # ticket 7
  # twice
  - role_name: [a, "b: #'"]
    privilege: [SELECT, INSERT]
    object_type: table
    schema_name: s
    object_name: 1e3
  - privilege: USAGE # CRM
    role_name: yes
    object_type: schema
    object_name: ~x
    note: said
  - {role_name: c, privilege: MEMBER, object_type: role, object_name: d, grantable: true, direct: false, expires_at: 2030-01-31T18:00:00+02:00}
`)
	var got []string
	for _, r := range f.Rows {
		got = append(got, r.String()+" / "+r.Note)
	}
	want := []string{
		"SELECT on table s.1e3 for a / ticket 7\ntwice", "INSERT on table s.1e3 for a / ticket 7\ntwice",
		"SELECT on table s.1e3 for b: #' / ticket 7\ntwice", "INSERT on table s.1e3 for b: #' / ticket 7\ntwice",
		"USAGE on schema ~x for yes / said", "MEMBER on role d for c / ",
	}
	if f.Source != "team" || !slices.Equal(got, want) {
		t.Errorf("source %q, rows\n%q, want\n%q", f.Source, got, want)
	}
	if r := f.Rows[5]; !r.Grantable || r.Direct == nil || *r.Direct || !r.ExpiresAt.Equal(time.Date(2030, 1, 31, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("the last row is %+v", r)
	}
}

// What is wrong is said with its line, before anything is written.
func TestFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	const entry = "role_name: a, privilege: SELECT, object_type: table, schema_name: s, object_name: t"
	for text, want := range map[string]string{
		"":                              "the file is empty",
		"grants":                        "line 1: this is no mapping",
		"grants: {}":                    "line 1: grants is no list",
		"source: a":                     "grants is missing",
		"source: 1\ngrants: []":         "line 1: source is no text",
		"grants: []\nrules: []":         `line 2: unknown key "rules"`,
		"grants: []\ngrants: []":        `line 2: key "grants" is there twice`,
		"grants: []\n---\ngrants: []":   "more than one document",
		"grants:\n- {role: a}":          `line 2: unknown key "role": known are role_name`,
		"grants:\n- {role_name: a}":     "line 2: privilege is missing",
		"grants:\n- {role_name: []}":    "line 2: role_name takes one value",
		"grants:\n- {note: [a]}":        "line 2: note takes one value",
		"grants:\n- {role_name: [[a]]}": "line 2: role_name has something that is no text",
		"grants:\n- {" + entry + "}\n- {" + entry + "}":                    "line 3: SELECT on table s.t for a is there already, in line 2",
		"grants:\n- {" + entry + ", grantable: yes}":                       `line 2: grantable: "yes" is neither true nor false`,
		"grants:\n- {" + entry + ", expires_at: tomorrow}":                 `line 2: expires_at: "tomorrow" is no time such as`,
		"grants:\n- {" + entry + ", expires_at: 2030-01-31T18:00:00}":      "is no time such as",
		"grants:\n- {" + entry + ", note: a, note: b}":                     `key "note" is there twice`,
		"grants:\n- {" + entry + "\n- x":                                   "line",
		"grants:\n- &a {" + entry + "}\n- *a":                              "is there already",
		"grants:\n- <<: {" + entry + "}":                                   `unknown key "<<"`,
		"grants:\n- {" + entry + ", role_name: {a: b}, column_name: null}": `key "role_name" is there twice`,
	} {
		if _, err := ReadYAML(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                         "the file is empty",
		"role_name,role":           `line 1: unknown key "role"`,
		"role_name,role_name":      `line 1: column "role_name" is named twice`,
		"role_name\na,b":           "line 2",
		"role_name\na":             "line 2: privilege is missing",
		"role_name,grantable\na,1": `line 2: grantable: "1"`,
	} {
		if _, err := ReadCSV(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// What is written is read as the same, in both formats, whatever the names.
func FuzzRoundTrip(f *testing.F) {
	for _, name := range []string{"a", "1", "null", "~", "yes", "a\nb", " a ", "#", "a: b", `"'`, "é\u2028", "- x", "\t", "=1+1", "2030-01-01", "{a}", "\r", "<<", "\u0085"} {
		f.Add(name, name, "note "+name, true)
	}
	f.Fuzz(func(t *testing.T, name, object, note string, yes bool) {
		for _, text := range []string{name, object, note} {
			// PostgreSQL stores neither, and a line break in CSV is one.
			if strings.ToValidUTF8(text, "") != text || strings.ContainsAny(text, "\x00\r") {
				t.Skip()
			}
		}
		if name == "" || object == "" {
			t.Skip()
		}
		row := Row{Role: name, Privilege: "SELECT", ObjectType: "table", Schema: object, Object: object, Match: exact, Column: name, Grantable: yes, Note: note}
		if yes {
			row.Direct, row.ExpiresAt, row.Match = new(false), new(time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)), "like"
		}
		other := row
		other.Privilege = "INSERT"
		want := File{Source: name, Rows: []Row{other, row}}
		for format, c := range map[string]struct {
			write func(*strings.Builder) error
			read  func(*strings.Reader) (File, error)
		}{
			"yaml": {func(b *strings.Builder) error { return WriteYAML(b, want) }, func(r *strings.Reader) (File, error) { return ReadYAML(r) }},
			"csv":  {func(b *strings.Builder) error { return WriteCSV(b, want) }, func(r *strings.Reader) (File, error) { return ReadCSV(r) }},
		} {
			var b strings.Builder
			if err := c.write(&b); err != nil {
				t.Fatalf("%s: write: %v", format, err)
			}
			got, err := c.read(strings.NewReader(b.String()))
			if err != nil {
				t.Fatalf("%s: read: %v\n%s", format, err, b.String())
			}
			if len(got.Rows) != 2 || !equal(got.Rows[0], other) || !equal(got.Rows[1], row) || format == "yaml" && got.Source != name {
				t.Errorf("%s: %+v became\n%s and that %+v", format, want, b.String(), got)
			}
		}
	})
}

// The JSON Schema knows the same keys as the reader.
func TestSchemaKnowsTheKeys(t *testing.T) {
	t.Parallel()
	var schema struct {
		Properties struct {
			Grants struct {
				Items struct {
					Properties map[string]any
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(Schema), &schema); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(schema.Properties.Grants.Items.Properties)), slices.Sorted(slices.Values(columns)); !slices.Equal(got, want) {
		t.Errorf("the schema knows %v, the reader %v", got, want)
	}
}
