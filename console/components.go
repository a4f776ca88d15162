package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// The types below are components: a page's view model holds them, and the template
// of the same name in components.html draws them.

// Pair is one line of a key-value list; template "pairs" takes a []Pair.
type Pair struct {
	Key   string
	Value string
	Path  string // makes the value a link
	Mono  bool   // an ARN, an id, a key
	Copy  bool   // with a button to copy it
	State *State // instead of a value
}

// State is a status: an icon of its kind and a word. In templates,
// {{status "good" "Active"}} writes one directly.
type State struct {
	Kind Kind
	Word string
}

// Alert is a message within a page.
type Alert struct {
	Kind  Kind
	Title string
	Text  string
	Do    []Step
}

// Field is one field of a form, with its label, hint and error.
type Field struct {
	Name         string
	Label        string
	Type         string // "text" if empty; also "textarea", "select", "checkbox", "radio", and HTML's types
	Value        string
	Hint         string
	Error        string
	Autocomplete string
	InputMode    string
	Placeholder  string
	Options      []Option // of a select or of radio buttons
	Rows         int      // of a textarea
	MaxLength    int
	Optional     bool // the label says so; else the field is required
	Checked      bool
	Mono         bool
	Autofocus    bool
	ReadOnly     bool
}

// ID is the id of the input element.
func (f Field) ID() string { return "field-" + f.Name }

// Describes are the ids of what explains the input: its error, its hint.
func (f Field) Describes() string {
	var ids []string
	if f.Error != "" {
		ids = append(ids, f.ID()+"-error")
	}
	if f.Hint != "" {
		ids = append(ids, f.ID()+"-hint")
	}
	return strings.Join(ids, " ")
}

// Kind is the type of the input element.
func (f Field) Kind() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

// Option is one choice.
type Option struct{ Value, Text, Hint string }

// Tab is one of several pages about one thing.
type Tab struct {
	Text    string
	Path    string
	Count   int // shown if it is not zero
	Current bool
}

// Filter is the field above a table that hides the rows that do not match. Table is
// the id of the table. With a Path the server filters, else the browser does.
type Filter struct {
	Table string
	Label string // "Find users"
	Value string
	Path  string
	Count int    // how many rows there are
	Noun  string // "user"; "users" when there is not just one
	// Hidden are sent with it.
	Hidden []Option
}

// Pager leads through a long list. AWS's markers lead forward only.
type Pager struct {
	First string // path of the first page; empty on it
	Next  string // path of the next page; empty on the last
	Shown string // "Users 101–200"
}

// Empty is what stands where a list has nothing in it, and teaches.
type Empty struct {
	Icon    string
	Title   string
	Text    string // one sentence on what this is
	Action  Step   // the recommended first step
	Command *Command
	More    Step // one link
}

// Confirm is a dialog before something that cannot be undone. A button with
// commandfor the ID and command show-modal opens it; template "confirm-button" draws
// one.
type Confirm struct {
	ID     string
	Open   string // text of the button that opens it
	Title  string
	Text   string
	Action string // the path that the form posts to
	Hidden []Option
	Fields []Field
	Button string // text of the button that does it
	Danger bool
	Typed  string // what has to be typed first; may be empty
}

// Secret is the box for what can be seen only now.
type Secret struct {
	Title string
	Rows  []SecretRow
	// File and CSV are what "Download .csv" gives, first row first. None if empty.
	File string
	CSV  [][]string
	// Done is where "I have stored it" posts to, and Leave the page of a GET on which
	// a reload or Back ends up.
	Done  string
	Leave string
	Extra []Option // hidden fields of that form
}

// SecretRow is one value in the box: masked if it is secret.
type SecretRow struct {
	Label  string
	Value  string
	Masked bool
	Lines  bool // several lines, as recovery codes are
}

// Download is the CSV as the address of a link, which works without a script.
func (s Secret) Download() template.URL {
	var b strings.Builder
	for _, row := range s.CSV {
		for i, cell := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			if strings.ContainsAny(cell, ",\"\r\n") {
				cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			}
			b.WriteString(cell)
		}
		b.WriteString("\r\n")
	}
	return template.URL("data:text/csv;charset=utf-8," + strings.ReplaceAll(template.URLQueryEscaper(b.String()), "+", "%20"))
}

// Code is a listing: numbered, with lines marked, and a button to copy it.
type Code struct {
	Label string // what it is, for who cannot see it
	Text  string
	Marks map[int]Kind // by line, from 1
}

// Lines are the lines of the listing.
func (c Code) Lines() []CodeLine {
	var lines []CodeLine
	for i, text := range strings.Split(strings.TrimSuffix(c.Text, "\n"), "\n") {
		lines = append(lines, CodeLine{i + 1, text, c.Marks[i+1]})
	}
	return lines
}

// CodeLine is one line of a listing.
type CodeLine struct {
	Number int
	Text   string
	Mark   Kind
}

// Checklist is a list of steps with how far one has come.
type Checklist struct {
	ID    string // unique on the page
	Title string
	Items []Item
}

// Done counts the steps that are done.
func (c Checklist) Done() int {
	n := 0
	for _, item := range c.Items {
		if item.Done {
			n++
		}
	}
	return n
}

// Item is one step of a checklist.
type Item struct {
	Done   bool
	Title  string
	Text   string
	Action Step
	// Post makes the action a button of a form that posts to Action.Path.
	Post bool
}

// Command is a command line to be copied.
type Command struct {
	Comment string
	Line    string
}

// CLI makes a command line of its words, quoted for a POSIX shell where they need
// it, so that a name with a quote in it stays a name.
func CLI(words ...string) Command {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellQuote(word)
	}
	return Command{Line: strings.Join(quoted, " ")}
}

func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// status writes an icon and a word.
func status(kind Kind, word string) (template.HTML, error) {
	name, ok := map[Kind]string{Good: "check", Info: "info", Warning: "warning", Bad: "cross", Neutral: "minus"}[kind]
	if !ok {
		return "", fmt.Errorf("status: no kind %q", kind)
	}
	mark, err := icon(name)
	if err != nil {
		return "", err
	}
	return template.HTML(`<span class="status `+string(kind)+`">`+string(mark)) + template.HTML(template.HTMLEscapeString(word)) + `</span>`, nil
}

// severity writes the badge of a finding.
func severity(level string) (template.HTML, error) {
	level = strings.ToLower(level)
	name, ok := map[string]string{"critical": "cross", "high": "warning", "medium": "warning", "low": "info", "info": "info"}[level]
	if !ok {
		return "", fmt.Errorf("severity: no level %q", level)
	}
	mark, err := icon(name)
	if err != nil {
		return "", err
	}
	return template.HTML(`<span class="badge ` + level + `">` + string(mark) + strings.ToUpper(level[:1]) + level[1:] + `</span>`), nil
}

// code writes a short text in the monospace face: an ARN, an id, an action.
func code(text string) template.HTML {
	return template.HTML(`<code>` + template.HTMLEscapeString(text) + `</code>`)
}

// when writes a time: how long ago or ahead in words, in UTC on a closer look. The
// zero time is "Never".
func when(now, t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="muted">Never</span>`
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" title="` + t.Format("2006-01-02 15:04:05 UTC") + `">` + ago(now, t) + `</time>`)
}

const day = 24 * time.Hour

// ago is a distance in time as people say it.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	future := d < 0
	if future {
		d = -d
	}
	var words string
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		words = count(int(d/time.Minute), "minute")
	case d < 2*day:
		words = count(int(d/time.Hour), "hour")
	case d < 60*day:
		words = count(int(d/day), "day")
	case d < 730*day:
		words = count(int(d/(30*day)), "month")
	default:
		words = count(int(d/(365*day)), "year")
	}
	if future {
		return "in " + words
	}
	return words + " ago"
}

// count is a number with its noun: "1 user", "2 users", "3 policies".
func count(n int, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ey") && !strings.HasSuffix(noun, "ay"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// initial is the letter in the circle of a person.
func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// left is the time until a session ends.
func left(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	default:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
}
