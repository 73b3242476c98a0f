package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// table is text in columns. On a terminal, what does not fit into a line goes on below, in the last column.
type table struct {
	w     io.Writer
	shown terminal // zero: not on a terminal
	rows  [][]string
}

const (
	tableGap   = 2  // between columns
	lastColumn = 24 // the least width of the last column; where a terminal has less, it begins on a line of its own
	lastIndent = 4  // of that line
)

// columns by a terminal's own measure: East Asian characters take two, combining ones none.
var columns = &runewidth.Condition{StrictEmojiNeutral: true}

func newTable(w io.Writer, header ...string) *table {
	return &table{w: unwrapped(w), shown: terminalOf(w), rows: [][]string{header}}
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	t.rows = append(t.rows, cells)
}

// flush writes the table.
func (t *table) flush() error {
	var b strings.Builder
	widths := t.widths()
	for i, cells := range t.rows {
		for _, line := range t.lines(cells, widths, i == 0) {
			b.WriteString(line + "\n")
		}
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// widths are those of the columns, but for the last one.
func (t *table) widths() []int {
	widths := make([]int, len(t.rows[0])-1)
	for _, cells := range t.rows {
		for i := range widths {
			widths[i] = max(widths[i], columns.StringWidth(cells[i]))
		}
	}
	return widths
}

// lines are those of one row.
func (t *table) lines(cells []string, widths []int, header bool) []string {
	var b strings.Builder
	indent := 0
	for i, width := range widths {
		b.WriteString(t.painted(i, cells[i], header))
		b.WriteString(strings.Repeat(" ", width-columns.StringWidth(cells[i])+tableGap))
		indent += width + tableGap
	}
	last := cells[len(cells)-1]
	if t.shown.width == 0 || indent+columns.StringWidth(last) <= t.shown.width {
		return []string{strings.TrimRight(b.String()+last, " ")}
	}
	if t.shown.width-indent >= lastColumn {
		parts := wrapped(last, t.shown.width-indent)
		list := []string{b.String() + parts[0]}
		for _, part := range parts[1:] {
			list = append(list, strings.Repeat(" ", indent)+part)
		}
		return list
	}
	list := []string{strings.TrimRight(b.String(), " ")}
	for _, part := range wrapped(last, max(lastColumn, t.shown.width-lastIndent)) {
		list = append(list, strings.Repeat(" ", lastIndent)+part)
	}
	return list
}

// paintedColumns hold statuses and outcomes, which have colours.
var paintedColumns = []string{"STATUS", "OUTCOME"}

func (t *table) painted(column int, cell string, header bool) string {
	if header || !slices.Contains(paintedColumns, t.rows[0][column]) {
		return cell
	}
	return t.shown.paint(cell, wordColours[cell])
}

// wrapped is a text in lines no wider than so many columns. It breaks between words, and in those that are longer than a line.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.SplitAfter(text, " ") {
		if line != "" && columns.StringWidth(line)+columns.StringWidth(strings.TrimRight(word, " ")) > width {
			lines = append(lines, strings.TrimRight(line, " "))
			line = ""
		}
		for columns.StringWidth(strings.TrimRight(word, " ")) > width {
			part := columns.Truncate(word, width, "")
			lines = append(lines, part)
			word = word[len(part):]
		}
		line += word
	}
	return append(lines, strings.TrimRight(line, " "))
}
