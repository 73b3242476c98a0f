package rowfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is what a file says.
type File struct {
	Source string // empty: it does not say
	Rows   []Row
}

// plural are the keys of which an entry may have several: it then stands for a row for each combination.
var plural = []string{"role_name", "privilege", "object_name", "column_name"}

// ReadYAML reads rows: a mapping with an optional source, and grants, a list of entries with the columns as keys. The comment above an entry, or behind it, is
// its note, if it has none.
func ReadYAML(r io.Reader) (File, error) {
	decoder := yaml.NewDecoder(r)
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return File{}, errors.New("the file is empty: a source without grants is written as grants: []")
	} else if err != nil {
		return File{}, err //nolint:wrapcheck // it says the line
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return File{}, errors.New("the file has more than one document (---)")
	}
	var f File
	found := false
	err := eachKey(document.Content[0], func(key, value *yaml.Node) error {
		switch key.Value {
		case "source":
			if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
				return fmt.Errorf("line %d: source is no text", value.Line)
			}
			f.Source = value.Value
		case "grants":
			found = true
			return f.readGrants(value)
		default:
			return fmt.Errorf("line %d: unknown key %q: known are source, grants", key.Line, key.Value)
		}
		return nil
	})
	if err != nil {
		return File{}, err
	}
	if !found {
		return File{}, errors.New("grants is missing: a source without any is written as grants: []")
	}
	return f, check(f.Rows)
}

// eachKey goes through a mapping.
func eachKey(n *yaml.Node, use func(key, value *yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: this is no mapping (key: value)", n.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			return fmt.Errorf("line %d: key %q is there twice", key.Line, key.Value)
		}
		seen[key.Value] = true
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if err := use(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) readGrants(list *yaml.Node) error {
	if list.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: grants is no list", list.Line)
	}
	for _, entry := range list.Content {
		rows, err := readEntry(entry)
		if err != nil {
			return err
		}
		f.Rows = append(f.Rows, rows...)
	}
	return nil
}

// readEntry returns the rows that an entry stands for.
func readEntry(entry *yaml.Node) ([]Row, error) {
	rows := []Row{{Match: exact, Note: comment(entry), Line: entry.Line}}
	err := eachKey(entry, func(key, value *yaml.Node) error {
		if err := known(key.Value); err != nil {
			return fmt.Errorf("line %d: %w", key.Line, err)
		}
		values, err := texts(key, value)
		if err != nil {
			return err
		}
		var product []Row
		for _, r := range rows {
			for _, text := range values {
				if err := r.set(key.Value, text); err != nil {
					return fmt.Errorf("line %d: %w", key.Line, err)
				}
				product = append(product, r)
			}
		}
		rows = product
		return nil
	})
	return rows, err
}

// texts are the values of a key: one, or several in a list.
func texts(key, value *yaml.Node) ([]string, error) {
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		return []string{""}, nil
	case value.Kind == yaml.ScalarNode:
		return []string{value.Value}, nil
	case value.Kind == yaml.SequenceNode && (slices.Contains(plural, key.Value) && len(value.Content) > 0 || slices.Contains(lists, key.Value)):
		var list []string
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return nil, fmt.Errorf("line %d: %s has something that is no text", item.Line, key.Value)
			}
			list = append(list, item.Value)
		}
		if slices.Contains(lists, key.Value) {
			return []string{nameList(list)}, nil
		}
		return list, nil
	default:
		return nil, fmt.Errorf("line %d: %s takes one value; lists that are not empty are for %s", value.Line, key.Value, strings.Join(slices.Concat(plural, lists), ", "))
	}
}

// comment is the text of the comment above an entry or behind its first key, without the marks.
func comment(entry *yaml.Node) string {
	places := []string{entry.HeadComment, entry.LineComment}
	if len(entry.Content) > 1 {
		places = append(places, entry.Content[0].HeadComment, entry.Content[1].LineComment)
	}
	var texts []string
	for line := range strings.Lines(cmp.Or(places...)) {
		texts = append(texts, strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "#")))
	}
	return strings.Join(texts, "\n")
}

// WriteYAML writes rows so that ReadYAML reads the same. Rows that differ in the privilege alone share an entry.
func WriteYAML(w io.Writer, f File) error {
	entries := &yaml.Node{Kind: yaml.SequenceNode}
	rows := sorted(f.Rows)
	for i := 0; i < len(rows); {
		privileges := []string{rows[i].Privilege}
		n := i + 1
		for ; n < len(rows) && same(rows[i], rows[n]); n++ {
			privileges = append(privileges, rows[n].Privilege)
		}
		entries.Content = append(entries.Content, entryOf(rows[i], privileges))
		i = n
	}
	document := &yaml.Node{Kind: yaml.MappingNode}
	if f.Source != "" {
		document.Content = append(document.Content, scalar("source"), quoted(f.Source))
	}
	document.Content = append(document.Content, scalar("grants"), entries)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return err //nolint:wrapcheck // of the writer
	}
	return encoder.Close() //nolint:wrapcheck // of the writer
}

// same reports whether rows differ in the privilege alone.
func same(a, b Row) bool {
	for _, column := range columns {
		if column != "privilege" && a.text(column) != b.text(column) {
			return false
		}
	}
	return true
}

func entryOf(r Row, privileges []string) *yaml.Node {
	entry := &yaml.Node{Kind: yaml.MappingNode}
	for _, column := range columns {
		text := r.text(column)
		switch {
		case column == "privilege" && len(privileges) > 1:
			entry.Content = append(entry.Content, scalar(column), flow(privileges))
		case text == "":
		case slices.Contains(lists, column):
			list, err := names(text)
			if err != nil {
				panic(err) // written by text
			}
			entry.Content = append(entry.Content, scalar(column), flow(list))
		case slices.Contains([]string{"partitions", "at_creation", "direct", "grantable", "create_if_not_exists", "inherit_option", "set_option"}, column):
			entry.Content = append(entry.Content, scalar(column), scalar(text))
		default:
			entry.Content = append(entry.Content, scalar(column), quoted(text))
		}
	}
	return entry
}

func flow(texts []string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, text := range texts {
		list.Content = append(list.Content, quoted(text))
	}
	return list
}

func scalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// quoted is a text, which the encoder quotes where it would be read as something else.
func quoted(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if text == "<<" { // the key of a merge, which the encoder leaves bare
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
