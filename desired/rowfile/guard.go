package rowfile

import "strings"

// formulas are what begins a formula in a spreadsheet.
const formulas = "=+-@\t\r"

// Guard is a cell that no spreadsheet takes for a formula: an apostrophe before it makes it a text. ReadCSV takes the apostrophe away again.
func Guard(cell string) string {
	if isFormula(cell) {
		return "'" + cell
	}
	return cell
}

func unguard(cell string) string {
	if strings.HasPrefix(cell, "'") && isFormula(cell[1:]) {
		return cell[1:]
	}
	return cell
}

// isFormula is also true of what looks guarded, so that nothing guarded is read as something else.
func isFormula(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.ContainsRune(formulas, rune(rest[0]))
}
