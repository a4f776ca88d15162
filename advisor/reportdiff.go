package advisor

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

// What became of a user between two credential reports.
const (
	UserAdded     = "added"
	UserRemoved   = "removed"
	UserRecreated = "recreated" // another user has the name now
	UserChanged   = "changed"
)

// UserChange is what a later credential report says otherwise of a user than an earlier one.
type UserChange struct {
	User string
	ARN  string
	What string // UserAdded, …

	lines []ChangeLine
	// uses is of a change in nothing but when something was last used. There may be one of
	// every user, so that its words are found when they are asked for.
	uses *struct{ was, is reportLine }
}

// ChangeLine is one thing that changed.
type ChangeLine struct {
	Text string
	// Opens tells that somebody can come in by it who could not before, or more easily.
	Opens bool
}

// Lines say what changed, in words.
func (c *UserChange) Lines() []ChangeLine {
	if c.uses == nil {
		return c.lines
	}
	was, err := c.uses.was.read()
	if err != nil {
		return nil // it has as many columns as the heading, or it would not be here
	}
	is, err := c.uses.is.read()
	if err != nil {
		return nil
	}
	full, _ := compareUsers(was, is, true)
	return full.lines
}

// Opens tells whether a line does.
func (c *UserChange) Opens() bool {
	return slices.ContainsFunc(c.lines, func(l ChangeLine) bool { return l.Opens })
}

// CompareReports says what changed from one credential report of an account to a later one:
// who is there, what they come in with, and the state of that. When something was last used
// changes all the time, and is said only if it is asked for; when a password has to be
// changed follows from the password policy, and is not said at all. Root comes first, then
// users by name.
func CompareReports(before, after string, lastUsed bool) ([]UserChange, error) {
	old, err := openReport(before)
	if err != nil {
		return nil, fmt.Errorf("the earlier report: %w", err)
	}
	now, err := openReport(after)
	if err != nil {
		return nil, fmt.Errorf("the later report: %w", err)
	}
	d := &reportDiff{old: old, now: now, lastUsed: lastUsed, kinds: now.kinds(), same: slices.Equal(old.columns, now.columns)}
	if err := d.run(); err != nil {
		return nil, err
	}
	slices.SortFunc(d.changes, func(a, b UserChange) int {
		switch reportedRoot {
		case a.User:
			return -1
		case b.User:
			return 1
		}
		return strings.Compare(strings.ToLower(a.User), strings.ToLower(b.User))
	})
	return d.changes, nil
}

// reportDiff is a comparison under way.
type reportDiff struct {
	old, now *openedReport
	lastUsed bool
	kinds    []columnKind
	same     bool // the columns are the same
	changes  []UserChange
}

// run goes through both reports side by side. Users are found by name, which does not mind
// case. Both are in the order of names, so that most stand beside each other; who does not
// waits for their like.
func (d *reportDiff) run() error {
	before, after := d.old.rest, d.now.rest
	gone, come := map[string]string{}, map[string]string{}
	for before != "" && after != "" {
		was, restWas := cutLine(before)
		is, restIs := cutLine(after)
		nameWas, nameIs := strings.ToLower(ReportedUser(was)), strings.ToLower(ReportedUser(is))
		switch {
		case nameWas == nameIs:
			if err := d.both(was, is); err != nil {
				return err
			}
			before, after = restWas, restIs
		case nameWas < nameIs:
			gone[nameWas], before = was, restWas
		default:
			come[nameIs], after = is, restIs
		}
	}
	for line := range strings.Lines(before) {
		gone[strings.ToLower(ReportedUser(line))] = line
	}
	for line := range strings.Lines(after) {
		come[strings.ToLower(ReportedUser(line))] = line
	}
	for name, line := range come {
		if was, found := gone[name]; found {
			delete(gone, name)
			if err := d.both(was, line); err != nil {
				return err
			}
			continue
		}
		is, err := d.now.read(line)
		if err != nil {
			return fmt.Errorf("the later report: %w", err)
		}
		d.changes = append(d.changes, UserChange{User: is.cell(d.now.user), ARN: is.cell(d.now.arn), What: UserAdded, lines: is.has()})
	}
	for _, line := range gone {
		was, err := d.old.read(line)
		if err != nil {
			return fmt.Errorf("the earlier report: %w", err)
		}
		d.changes = append(d.changes, UserChange{User: was.cell(d.old.user), ARN: was.cell(d.old.arn), What: UserRemoved})
	}
	return nil
}

// both compares two lines of one name. Most are the same, or but for when something was used,
// and need not be taken apart.
func (d *reportDiff) both(was, is string) error {
	if d.same {
		switch differ(was, is, d.kinds) {
		case inNothing:
			return nil
		case inUses:
			if d.lastUsed {
				c := UserChange{User: strings.Clone(ReportedUser(is)), What: UserChanged, uses: &struct{ was, is reportLine }{reportLine{d.old, was}, reportLine{d.now, is}}}
				_, rest, _ := strings.Cut(is, ",")
				c.ARN, _, _ = strings.Cut(rest, ",")
				d.changes = append(d.changes, c)
			}
			return nil
		}
	}
	then, err := d.old.read(was)
	if err != nil {
		return fmt.Errorf("the earlier report: %w", err)
	}
	now, err := d.now.read(is)
	if err != nil {
		return fmt.Errorf("the later report: %w", err)
	}
	if c, changed := compareUsers(then, now, d.lastUsed); changed {
		d.changes = append(d.changes, c)
	}
	return nil
}

func cutLine(text string) (line, rest string) {
	n := strings.IndexByte(text, '\n') + 1
	if n == 0 {
		n = len(text)
	}
	return text[:n], text[n:]
}

// reportedRoot stands for the root user.
const reportedRoot = "<root_account>"

// How two lines differ.
type difference int

const (
	inNothing difference = iota // that is looked for
	inUses                      // in when something was last used, and in nothing else
	inMore
)

// columnKind says what it means that a column differs.
type columnKind uint8

const (
	credentialColumn columnKind = iota
	useColumn                   // when something was last used
	idleColumn                  // it follows from others, or from the password policy
)

func (r *openedReport) kinds() []columnKind {
	kinds := make([]columnKind, len(r.columns))
	for i, name := range r.columns {
		switch {
		case strings.HasSuffix(name, "_last_used") || strings.HasSuffix(name, "_last_used_date"):
			kinds[i] = useColumn
		case name == "password_next_rotation" || strings.Contains(name, "_last_used_"): // in which region, of which service
			kinds[i] = idleColumn
		}
	}
	return kinds
}

// differ compares two lines, without quotes, by columns. It is inMore where it cannot tell:
// cells with commas are in quotes.
func differ(a, b string, kinds []columnKind) difference {
	if a == b {
		return inNothing
	}
	if strings.IndexByte(a, '"') >= 0 || strings.IndexByte(b, '"') >= 0 {
		return inMore
	}
	found := inNothing
	for i, kind := range kinds {
		endA, endB := strings.IndexByte(a, ','), strings.IndexByte(b, ',')
		if i == len(kinds)-1 { // with the end of the line
			if endA >= 0 || a != b {
				return inMore
			}
			return found
		}
		if endA < 0 || endB < 0 {
			return inMore
		}
		if a[:endA] != b[:endB] {
			switch kind {
			case credentialColumn:
				return inMore
			case useColumn:
				found = inUses
			}
		}
		a, b = a[endA+1:], b[endB+1:]
	}
	return inMore
}

// compareUsers compares two lines of one name.
func compareUsers(was, is *reportRow, lastUsed bool) (c UserChange, changed bool) {
	c = UserChange{User: is.cell(is.of.user), ARN: is.cell(is.of.arn), What: UserChanged}
	// A user keeps the time of creation, also when the path changes, and with it the ARN.
	if then, now := was.cell(was.of.created), is.cell(is.of.created); then != now {
		c.What = UserRecreated
		c.lines = append([]ChangeLine{{Text: "This is another user of the same name, made " + onDay(now) + "; the one before was made " + onDay(then) + "."}}, is.has()...)
		return c, true
	}
	if then := was.cell(was.of.arn); then != c.ARN {
		c.say(false, "The ARN was "+then+".")
	}
	c.password(was, is)
	switch now, differs := differs(was, is, func(r *openedReport) int { return r.mfa }); {
	case !differs:
	case now == "true":
		c.say(false, "MFA was turned on.")
	default:
		c.say(true, "MFA was turned off.")
	}
	c.credentials("Access key", was.keys(), is.keys())
	c.credentials("Signing certificate", was.certificates(), is.certificates())
	if now, differs := differs(was, is, func(r *openedReport) int { return r.more }); differs {
		if now == "N/A" {
			c.say(false, "There are no more credentials than have columns.")
		} else {
			c.say(true, "Beside these: "+now+".")
		}
	}
	if lastUsed {
		c.used("The password", was.cell(was.of.passwordUsed), is.cell(is.of.passwordUsed), "")
		before := was.keys()
		for _, key := range is.keys() {
			if i := slices.IndexFunc(before, func(k credential) bool { return k.made == key.made }); i >= 0 {
				c.used(fmt.Sprintf("Access key %d", key.n), before[i].used, key.used, key.where)
			}
		}
	}
	return c, len(c.lines) > 0
}

// used says when something was last used, if that changed.
func (c *UserChange) used(what, then, now, where string) {
	never := func(when string) bool { return when == "" || when == "N/A" || when == "no_information" }
	switch {
	case then == now || never(now): // no use is forgotten, but with what was used
	case never(then):
		c.say(false, what+" was used "+onDay(now)+where+", for the first time as far as is known.")
	default:
		c.say(false, what+" was last used "+onDay(now)+where+"; before that, "+onDay(then)+".")
	}
}

func (c *UserChange) say(opens bool, text string) {
	c.lines = append(c.lines, ChangeLine{Text: text, Opens: opens})
}

func (c *UserChange) password(was, is *reportRow) {
	now, differing := differs(was, is, func(r *openedReport) int { return r.password })
	switch {
	case differing && now == "true":
		c.say(true, "A console password was set.")
	case differing:
		c.say(false, "The console password was removed.")
	case now == "true":
		if changed, differs := differs(was, is, func(r *openedReport) int { return r.passwordChanged }); differs {
			c.say(false, "The console password was changed "+onDay(changed)+".")
		}
	}
}

// differs compares a column, if both reports have it, and returns the later value.
func differs(was, is *reportRow, column func(*openedReport) int) (now string, differs bool) {
	now = is.cell(column(is.of))
	then := was.cell(column(was.of))
	return now, then != now && then != "" && now != ""
}

// credentials compares keys or certificates. The report has no ids, and where one is deleted
// the next takes its column: what tells them apart is when they were made.
func (c *UserChange) credentials(what string, was, is []credential) {
	var made []credential
	for _, now := range is {
		i := slices.IndexFunc(was, func(k credential) bool { return k.made == now.made })
		if i < 0 {
			made = append(made, now)
			continue
		}
		if then := was[i]; then.active != now.active {
			if now.active {
				c.say(true, fmt.Sprintf("%s %d was activated.", what, now.n))
			} else {
				c.say(false, fmt.Sprintf("%s %d was deactivated.", what, now.n))
			}
		}
		was = slices.Delete(slices.Clone(was), i, i+1)
	}
	for _, now := range made {
		state := ""
		if !now.active {
			state = ", and is not active"
		}
		if len(was) > 0 {
			c.say(false, fmt.Sprintf("%s %d was rotated: it was made %s%s, and that of %s is gone.", what, now.n, onDay(now.made), state, day(was[0].made)))
			was = was[1:]
			continue
		}
		c.say(now.active, fmt.Sprintf("%s %d was made %s%s.", what, now.n, onDay(now.made), state))
	}
	for _, then := range was {
		c.say(false, fmt.Sprintf("%s %d of %s was deleted.", what, then.n, day(then.made)))
	}
}

// has is what a new user comes in with.
func (r *reportRow) has() (lines []ChangeLine) {
	if r.cell(r.of.password) == "true" {
		if r.cell(r.of.mfa) == "true" {
			lines = append(lines, ChangeLine{"Has a console password and MFA.", true})
		} else {
			lines = append(lines, ChangeLine{"Has a console password, and no MFA.", true})
		}
	}
	lines = append(lines, active("access key", r.keys())...)
	return append(lines, active("signing certificate", r.certificates())...)
}

func active(what string, all []credential) []ChangeLine {
	n := 0
	for _, c := range all {
		if c.active {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []ChangeLine{{"Has " + counted(n, "active "+what) + ".", true}}
}

// credential is an access key or a certificate, as a report has it.
type credential struct {
	n      int // of its columns
	active bool
	made   string
	used   string
	where  string // it was used, in words
}

// keys are the access keys that there are, active or not.
func (r *reportRow) keys() (all []credential) {
	for n, k := range r.of.keys {
		if made := r.cell(k.made); made != "N/A" && made != "" {
			c := credential{n: n + 1, active: r.cell(k.active) == "true", made: made, used: r.cell(k.used)}
			if service := r.cell(k.service); service != "N/A" && service != "" {
				c.where = " for " + service
			}
			all = append(all, c)
		}
	}
	return all
}

func (r *reportRow) certificates() (all []credential) {
	for n, k := range r.of.certificates {
		if made := r.cell(k.made); made != "N/A" && made != "" {
			all = append(all, credential{n: n + 1, active: r.cell(k.active) == "true", made: made})
		}
	}
	return all
}

// openedReport is a report of which the heading is read. The numbers are those of columns.
type openedReport struct {
	columns                                 []string
	rest                                    string
	user, arn, created, mfa, more           int
	password, passwordUsed, passwordChanged int
	keys, certificates                      [2]credentialColumns
}

type credentialColumns struct{ active, made, used, service int }

func openReport(text string) (*openedReport, error) {
	head, rest, _ := strings.Cut(text, "\n")
	r := &openedReport{columns: strings.Split(strings.TrimSuffix(head, "\r"), ","), rest: rest}
	at := func(name string) int { return slices.Index(r.columns, name) }
	r.user, r.arn, r.created, r.mfa, r.more = at("user"), at("arn"), at("user_creation_time"), at("mfa_active"), at("additional_credentials_info")
	r.password, r.passwordUsed, r.passwordChanged = at("password_enabled"), at("password_last_used"), at("password_last_changed")
	for n := range r.keys {
		key, certificate := fmt.Sprintf("access_key_%d_", n+1), fmt.Sprintf("cert_%d_", n+1)
		r.keys[n] = credentialColumns{at(key + "active"), at(key + "last_rotated"), at(key + "last_used_date"), at(key + "last_used_service")}
		r.certificates[n] = credentialColumns{active: at(certificate + "active"), made: at(certificate + "last_rotated")}
	}
	if r.user != 0 || r.arn < 0 || r.created < 0 {
		return nil, fmt.Errorf("it does not begin with user, arn and user_creation_time but with %.80q", head)
	}
	return r, nil
}

// reportRow is a line of a report.
type reportRow struct {
	of    *openedReport
	cells []string
}

// reportLine is a line of a report that is not read yet.
type reportLine struct {
	of   *openedReport
	text string
}

func (l reportLine) read() (*reportRow, error) { return l.of.read(l.text) }

func (r *openedReport) read(line string) (*reportRow, error) {
	cells := strings.Split(strings.TrimRight(line, "\r\n"), ",")
	if strings.IndexByte(line, '"') >= 0 {
		var err error
		if cells, err = csv.NewReader(strings.NewReader(line)).Read(); err != nil {
			return nil, err
		}
	}
	if len(cells) != len(r.columns) {
		return nil, fmt.Errorf("a line has %d columns and not %d", len(cells), len(r.columns))
	}
	return &reportRow{r, cells}, nil
}

// cell is empty for a column that the report does not have.
func (r *reportRow) cell(n int) string {
	if n < 0 {
		return ""
	}
	return r.cells[n]
}

// ReportedUser is the name that a line of a credential report begins with. A name has no quotes in it, but it may stand
// in quotes: there are commas in names.
func ReportedUser(line string) string {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		name, _, _ := strings.Cut(quoted, `"`)
		return name
	}
	name, _, _ := strings.Cut(line, ",")
	return strings.TrimRight(name, "\r\n")
}

// day is the day of a time as reports write it; what is no time stays what it is.
func day(text string) string {
	if len(text) > len("2006-01-02") && text[10] == 'T' {
		return text[:10]
	}
	return text
}

// onDay is when something was, in words.
func onDay(text string) string {
	if short := day(text); short != text {
		return "on " + short
	}
	return text
}
