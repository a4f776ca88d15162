package respond

import (
	"fmt"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/policy"
)

// Summary says in one sentence how much the key did.
func (r *Report) Summary() string {
	return fmt.Sprintf("%s by the key and %s by %s: %s, %d denied or failed.",
		plural(r.counts.key, "call"), plural(r.counts.sessions, "call"), plural(len(r.Sessions), "session"), plural(r.counts.changes, "change"), r.counts.refused)
}

// Markdown is the report as a document to be filed: a draft of the note about the incident,
// and everything that is known under it.
func (r *Report) Markdown(now time.Time) string {
	w := new(strings.Builder)
	w.WriteString(r.Note(now))
	w.WriteString("\n## Everything\n\n")
	text := new(strings.Builder)
	r.write(text, now)
	// Indented, nothing that a caller sent can end the listing.
	for line := range strings.Lines(policy.Printable(text.String())) {
		w.WriteString("    " + line)
	}
	return w.String()
}

// Note is the draft of a note about the incident, in Markdown: for whoever was not there.
func (r *Report) Note(now time.Time) string {
	w := new(strings.Builder)
	k := r.Key
	fmt.Fprintf(w, "# Access key %s leaked\n\n", k.ID)
	if k.Exists {
		fmt.Fprintf(w, "The access key %s of user %s, account %s, is taken to be in other hands since %s.\n", span(k.ID), span(k.UserName), k.Account, instant(r.leaked))
	} else {
		fmt.Fprintf(w, "The access key %s of account %s, deleted since, is taken to be in other hands since %s.\n", span(k.ID), k.Account, instant(r.leaked))
	}
	fmt.Fprintf(w, "Written %s.\n\n## What was done\n\n", instant(now))
	for _, s := range r.Steps {
		fmt.Fprintf(w, "- %s: %s (%s)\n", s.Name, policy.Printable(s.Detail), s.State)
	}
	fmt.Fprintf(w, "\n## What it did\n\n%s The trail goes back to %s; what came before is not known, and what it did in other accounts is on their trails.\n",
		r.Summary(), instant(r.Trail.From))
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(w, "\n%s:\n\n", title)
		for _, line := range lines {
			w.WriteString("- " + line + "\n")
		}
	}
	var places, made []string
	for _, s := range r.Addresses {
		if s.New {
			places = append(places, fmt.Sprintf("%s: %s, first %s", span(s.Name), plural(s.Calls, "call"), instant(s.First)))
		}
	}
	for _, m := range r.Made {
		made = append(made, fmt.Sprintf("%s %s, %s", m.Kind, span(m.Name), instant(m.Time)))
	}
	list("Addresses that had not been seen before", places)
	list("Made or changed, each to be looked at", made)
	w.WriteString(`
## Still to do

- [ ] Take the key out of the place where it lay, and out of its history.
- [ ] Look at each thing above that the key made or changed.
`)
	if k.Password {
		w.WriteString("- [ ] The user's password goes on working: change it if it lay in the same place.\n")
	}
	for _, other := range k.Others {
		if other.Active {
			fmt.Fprintf(w, "- [ ] The user's other key %s, made %s, goes on working: see whether it lay in the same place, and who made it.\n", span(other.ID), instant(other.Created))
		}
	}
	w.WriteString("- [ ] Where it was used, see whether temporary credentials would do instead of a key.\n- [ ] Delete the key, and take the quarantine off, when all is well again.\n")
	return w.String()
}

// span is a text as code, on one line, whatever is in it.
func span(s string) string {
	s = strings.NewReplacer("`", "'", "\n", " ").Replace(policy.Printable(s))
	if s == "" {
		return "-"
	}
	return "`" + s + "`"
}
