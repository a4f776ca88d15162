package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
)

// Chart is a drawing made here, with its numbers as a table for who cannot see it.
// Template "chart" shows it. Colours come from the style sheet by class.
type Chart struct {
	Title  string
	Class  string
	SVG    template.HTML
	Legend []ChartKey
	Head   []string
	Rows   [][]string
}

// ChartKey says what a colour of a chart stands for.
type ChartKey struct{ Class, Text string }

// Point is one value of a chart.
type Point struct {
	Label string
	Value int
}

// Sparkline draws a run of values, such as a call count per day. What says what the
// values are, in the heading of the table.
func Sparkline(title, label, what string, points []Point) Chart {
	const width, height, pad = 600, 64, 2
	c := Chart{Title: title, Class: "sparkline", Head: []string{label, what}, Rows: rowsOf(points)}
	top := highest(points)
	var line strings.Builder
	for i, p := range points {
		x := pad
		if len(points) > 1 {
			x += i * (width - 2*pad) / (len(points) - 1)
		}
		fmt.Fprintf(&line, "%d,%d ", x, height-pad-p.Value*(height-2*pad)/top)
	}
	path := strings.TrimSpace(line.String())
	var body strings.Builder
	if len(points) > 0 {
		fmt.Fprintf(&body, `<polygon class="area" points="%d,%d %s %d,%d"/>`, pad, height-pad, path, width-pad, height-pad)
		fmt.Fprintf(&body, `<polyline class="stroke" points="%s"/>`, path)
	}
	c.SVG = svg(title, describe(what, points), width, height, body.String(), "none")
	return c
}

// Histogram draws a bar for each value with its label, such as keys by age.
func Histogram(title, label, what string, points []Point) Chart {
	const width, height, foot, head = 360, 144, 20, 18
	c := Chart{Title: title, Class: "histogram", Head: []string{label, what}, Rows: rowsOf(points)}
	top := highest(points)
	var body strings.Builder
	fmt.Fprintf(&body, `<path class="axis" d="M0 %d.5h%d"/>`, height-foot, width)
	for i, p := range points {
		step := width / len(points)
		bar := min(step*2/3, 64)
		x, tall := i*step+(step-bar)/2, p.Value*(height-foot-head)/top
		fmt.Fprintf(&body, `<rect class="column" x="%d" y="%d" width="%d" height="%d" rx="2"/>`, x, height-foot-tall, bar, tall)
		fmt.Fprintf(&body, `<text class="value" x="%d" y="%d">%d</text>`, x+bar/2, height-foot-tall-4, p.Value)
		fmt.Fprintf(&body, `<text class="label" x="%d" y="%d">%s</text>`, x+bar/2, height-4, template.HTMLEscapeString(p.Label))
	}
	c.SVG = svg(title, describe(what, points), width, height, body.String(), "xMinYMid")
	return c
}

// Series is one part of each bar of Stacked.
type Series struct {
	Name   string
	Kind   Kind // gives it its colour
	Values []int
}

// Stacked draws a bar for each label, made of the values of each series, such as
// sign-ins by outcome per day.
func Stacked(title, label string, labels []string, series []Series) Chart {
	const width, height, foot = 360, 144, 20
	c := Chart{Title: title, Class: "stacked", Head: []string{label}}
	sums := make([]Point, len(labels))
	for i, name := range labels {
		sums[i].Label = name
		row := []string{name}
		for _, s := range series {
			sums[i].Value += s.Values[i]
			row = append(row, strconv.Itoa(s.Values[i]))
		}
		c.Rows = append(c.Rows, row)
	}
	for _, s := range series {
		c.Head = append(c.Head, s.Name)
		c.Legend = append(c.Legend, ChartKey{string(s.Kind), s.Name})
	}
	top := highest(sums)
	var body strings.Builder
	fmt.Fprintf(&body, `<path class="axis" d="M0 %d.5h%d"/>`, height-foot, width)
	for i, name := range labels {
		step := width / len(labels)
		bar := max(min(step*2/3, 48), 1)
		x, y := i*step+(step-bar)/2, height-foot
		for _, s := range series {
			tall := s.Values[i] * (height - foot - 4) / top
			y -= tall
			fmt.Fprintf(&body, `<rect class="%s" x="%d" y="%d" width="%d" height="%d"/>`, s.Kind, x, y, bar, tall)
		}
		if every := (len(labels) + 9) / 10; i%every == 0 {
			fmt.Fprintf(&body, `<text class="label" x="%d" y="%d">%s</text>`, x+bar/2, height-4, template.HTMLEscapeString(name))
		}
	}
	c.SVG = svg(title, describe("total", sums), width, height, body.String(), "xMinYMid")
	return c
}

// Lines draws a line for each series over the same labels, each in a colour and a dash of its
// own, with its last value at its end.
func Lines(title, label string, labels []string, series []Series) Chart {
	const width, height, foot, side, pad = 360, 144, 20, 36, 10
	c := Chart{Title: title, Class: "lines", Head: []string{label}}
	for _, name := range labels {
		c.Rows = append(c.Rows, []string{name})
	}
	top := 1
	for _, s := range series {
		c.Head = append(c.Head, s.Name)
		c.Legend = append(c.Legend, ChartKey{string(s.Kind), s.Name})
		for i, v := range s.Values {
			top = max(top, v)
			c.Rows[i] = append(c.Rows[i], strconv.Itoa(v))
		}
	}
	var body, described strings.Builder
	fmt.Fprintf(&body, `<path class="axis" d="M0 %d.5h%d"/>`, height-foot, width-side+pad)
	var ends []int
	for n, s := range series {
		var line strings.Builder
		x, y := 0, 0
		for i, v := range s.Values {
			x = pad
			if len(s.Values) > 1 {
				x += i * (width - side - pad) / (len(s.Values) - 1)
			}
			y = height - foot - v*(height-foot-pad)/top
			fmt.Fprintf(&line, "%d,%d ", x, y)
		}
		if len(s.Values) == 0 {
			continue
		}
		fmt.Fprintf(&body, `<polyline class="stroke %s" stroke-dasharray="%s" points="%s"/>`, s.Kind, []string{"none", "6 4", "2 3"}[n%3], strings.TrimSpace(line.String()))
		fmt.Fprintf(&body, `<circle class="end %s" cx="%d" cy="%d" r="3"/>`, s.Kind, x, y)
		at := y + 4
		for _, other := range ends { // numbers must not lie on each other
			if at > other-12 && at < other+12 {
				at = other - 12
			}
		}
		ends = append(ends, at)
		fmt.Fprintf(&body, `<text class="label last" x="%d" y="%d">%d</text>`, x+8, at, s.Values[len(s.Values)-1])
		points := make([]Point, len(labels))
		for i := range labels {
			points[i] = Point{labels[i], s.Values[i]}
		}
		described.WriteString(trend(s.Name, points) + " ")
	}
	for i, name := range labels {
		if len(labels) == 1 || i > 0 && i < len(labels)-1 {
			continue
		}
		class, x := "first", 0
		if i > 0 {
			class, x = "last", width-side-30
		}
		fmt.Fprintf(&body, `<text class="label %s" x="%d" y="%d">%s</text>`, class, x, height-4, template.HTMLEscapeString(name))
	}
	c.SVG = svg(title, strings.TrimSpace(described.String()), width, height, body.String(), "xMinYMid")
	return c
}

// trend is a line in a sentence.
func trend(what string, points []Point) string {
	first, last := points[0], points[len(points)-1]
	return fmt.Sprintf("%s: %d on %s, %d on %s.", what, first.Value, first.Label, last.Value, last.Label)
}

// svg puts a drawing into its frame. Fit is how it fills a place of another shape:
// one without text may be stretched.
func svg(title, description string, width, height int, body, fit string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg role="img" viewBox="0 0 %d %d" preserveAspectRatio="%s"><title>%s</title><desc>%s</desc>%s</svg>`,
		width, height, fit, template.HTMLEscapeString(title), template.HTMLEscapeString(description), body))
}

// highest is the largest value, at least 1, to divide by.
func highest(points []Point) int {
	top := 1
	for _, p := range points {
		top = max(top, p.Value)
	}
	return top
}

func rowsOf(points []Point) [][]string {
	rows := make([][]string, len(points))
	for i, p := range points {
		rows[i] = []string{p.Label, strconv.Itoa(p.Value)}
	}
	return rows
}

// describe is the chart in a sentence.
func describe(what string, points []Point) string {
	if len(points) == 0 {
		return "No data."
	}
	low, high, sum := points[0], points[0], 0
	for _, p := range points {
		sum += p.Value
		if p.Value < low.Value {
			low = p
		}
		if p.Value > high.Value {
			high = p
		}
	}
	return fmt.Sprintf("%s from %s to %s: %d in all, at most %d (%s), at least %d (%s).",
		what, points[0].Label, points[len(points)-1].Label, sum, high.Value, high.Label, low.Value, low.Label)
}

// Ring draws a score of 100 as a ring, with the number in it.
func Ring(title string, score int) Chart {
	const size, radius = 96, 40
	score = max(0, min(score, 100))
	kind := Good
	switch {
	case score < 50:
		kind = Bad
	case score < 80:
		kind = Warning
	}
	// The length of the ring is 100 by pathLength.
	body := fmt.Sprintf(`<circle class="track" cx="%d" cy="%d" r="%d"/>`, size/2, size/2, radius)
	if score > 0 {
		body += fmt.Sprintf(`<circle class="arc %s" cx="%d" cy="%d" r="%d" pathLength="100" stroke-dasharray="%d 100" transform="rotate(-90 %d %d)"/>`,
			kind, size/2, size/2, radius, score, size/2, size/2)
	}
	body += fmt.Sprintf(`<text x="%d" y="%d">%d</text>`, size/2, size/2+9, score)
	return Chart{Title: title, Class: "ring", SVG: svg(title, fmt.Sprintf("%d of 100", score), size, size, body, "xMidYMid meet")}
}
