package report

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
)

// Schema is the JSON Schema of a report.
//
//go:embed report.schema.json
var Schema string

// JSON writes the report as a document, with each access on a line of its own.
func (r *Reader) JSON(ctx context.Context, w io.Writer) error {
	g, err := r.readGraph(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	head, err := document(r.Report, "  ")
	if err != nil {
		return err
	}
	// Bytes of a buffered writer fail at its Flush.
	_, _ = out.Write(bytes.TrimSuffix(head, []byte("\n}")))
	_, _ = out.WriteString(",\n  \"accesses\": [")
	count := 0
	err = r.accesses(ctx, g, func(a Access) error {
		line, err := document(a, "")
		if err != nil {
			return err
		}
		if count > 0 {
			_ = out.WriteByte(',')
		}
		count++
		_, _ = out.WriteString("\n    ")
		_, err = out.Write(line)
		return err //nolint:wrapcheck // of the writer
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n  ],\n  \"accesses_listed\": %d\n}\n", count)
	return out.Flush() //nolint:wrapcheck // of the writer
}

func document(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
