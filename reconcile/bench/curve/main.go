// Command curve draws what TestCurve has measured: go -C reconcile/bench/curve run . curve.tsv curve.svg
//
// It is a module of its own, so that the program does not depend on what draws.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"image/color"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// drawn are the columns that are drawn, in seconds.
var drawn = []struct {
	column string
	color  color.Color
}{
	{"floor s", color.Gray{160}},
	{"apply s", color.RGBA{R: 200, A: 255}},
	{"whole rescan s", color.RGBA{B: 200, A: 255}},
	{"unchanged rescan s", color.RGBA{G: 140, A: 255}},
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: curve FILE.tsv FILE.svg")
	}
	columns, err := read(args[0])
	if err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "rows", "seconds"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for _, d := range drawn {
		var points plotter.XYs
		for i, y := range columns[d.column] {
			points = append(points, plotter.XY{X: columns["rows"][i], Y: y})
		}
		dots, err := plotter.NewScatter(points) // no lines: fleets of as many rows differ in shape
		if err != nil {
			return fmt.Errorf("draw %q: %w", d.column, err)
		}
		dots.Color = d.color
		p.Add(dots)
		p.Legend.Add(d.column, dots)
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, args[1])
}

// read reads the table, by column.
func read(name string) (map[string][]float64, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	table := csv.NewReader(file)
	table.Comma = '\t'
	rows, err := table.ReadAll()
	if err != nil {
		return nil, err
	}
	columns := map[string][]float64{}
	for _, row := range rows[1:] {
		for i, cell := range row {
			value, err := strconv.ParseFloat(cell, 64)
			if err != nil {
				return nil, err
			}
			columns[rows[0][i]] = append(columns[rows[0][i]], value)
		}
	}
	return columns, nil
}
