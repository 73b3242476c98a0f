package rowfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ReadCSV reads rows. The first line names the columns; an empty field is the column's default, and a list of names is a JSON array.
func ReadCSV(r io.Reader) (File, error) {
	records := csv.NewReader(r)
	header, err := records.Read()
	if errors.Is(err, io.EOF) {
		return File{}, errors.New("the file is empty: its first line should name the columns")
	}
	if err != nil {
		return File{}, err //nolint:wrapcheck // it says the line
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // as spreadsheets write
	if err := checkHeader(header); err != nil {
		return File{}, err
	}
	var f File
	for {
		fields, err := records.Read()
		if errors.Is(err, io.EOF) {
			return f, check(f.Rows)
		}
		if err != nil {
			return File{}, err //nolint:wrapcheck // it says the line
		}
		row := Row{Match: exact}
		row.Line, _ = records.FieldPos(0)
		for i, column := range header {
			if err := row.set(column, unguard(fields[i])); err != nil {
				return File{}, fmt.Errorf("line %d: %w", row.Line, err)
			}
		}
		f.Rows = append(f.Rows, row)
	}
}

func checkHeader(header []string) error {
	seen := map[string]bool{}
	for _, column := range header {
		if seen[column] {
			return fmt.Errorf("line 1: column %q is named twice", column)
		}
		seen[column] = true
		if err := known(column); err != nil {
			return fmt.Errorf("line 1: %w", err)
		}
	}
	return nil
}

// WriteCSV writes rows so that ReadCSV reads the same, and a spreadsheet no formulas.
func WriteCSV(w io.Writer, f File) error {
	records := csv.NewWriter(w)
	lines := [][]string{columns}
	for _, r := range sorted(f.Rows) {
		fields := make([]string, len(columns))
		for i, column := range columns {
			fields[i] = Guard(r.text(column))
		}
		lines = append(lines, fields)
	}
	return records.WriteAll(lines) //nolint:wrapcheck // of the writer
}
