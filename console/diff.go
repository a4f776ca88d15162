package console

import "strings"

// Diff is what changed between two texts, line by line. Template "diff" draws it.
type Diff struct {
	From, To string // what the texts are called
	Lines    []DiffLine
}

// DiffLine is a line that stayed, went or came.
type DiffLine struct {
	Change Change
	Text   string
}

// Change is what became of a line.
type Change int

// A line stayed, went or came.
const (
	Same Change = iota
	Gone
	Come
)

// Sign is the mark in front of the line, Class its class.
func (l DiffLine) Sign() string  { return [...]string{" ", "−", "+"}[l.Change] }
func (l DiffLine) Class() string { return [...]string{"", "gone", "come"}[l.Change] }

// maxDiff bounds the work, which is the product of the numbers of lines. Policies
// are far below it; larger texts are shown as replaced.
const maxDiff = 4 << 20

// DiffOf compares two texts by their longest common subsequence of lines.
func DiffOf(from, to, before, after string) Diff {
	a, b := lines(before), lines(after)
	d := Diff{From: from, To: to}
	if len(a)*len(b) > maxDiff {
		for _, text := range a {
			d.Lines = append(d.Lines, DiffLine{Gone, text})
		}
		for _, text := range b {
			d.Lines = append(d.Lines, DiffLine{Come, text})
		}
		return d
	}
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			d.Lines = append(d.Lines, DiffLine{Same, a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			d.Lines = append(d.Lines, DiffLine{Gone, a[i]})
			i++
		default:
			d.Lines = append(d.Lines, DiffLine{Come, b[j]})
			j++
		}
	}
	return d
}

func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
