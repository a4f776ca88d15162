package console

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// refusals are the sign-in form as it comes back to those who were not let in. A crowd that
// tries passwords gets nothing else, and executing the templates was most of what an
// attempt cost. So each kind of it is executed once, with marks in place of what somebody
// typed, and cut at the marks.
type refusals struct {
	mu    sync.Mutex
	forms map[refusal]cutPage
}

// refusal is what the form depends on besides what was typed: few, so that all are kept.
type refusal struct {
	root, passkey     bool
	noAccount, noName bool // the cursor is in the first field that is empty
	theme             string
}

// cutPage is a page without what was typed: that follows each of its pieces but the last.
type cutPage []piece

type piece struct {
	text []byte
	then func(typed) string // nil at the end
}

// refuse answers as rendering the page would, to somebody who is not signed in and for
// whom no other message waits.
func (c *Console) refuse(v *Visit, root bool, in typed) error {
	page, err := c.refusal(v, refusal{
		root: root, passkey: c.config.passkeys(), noAccount: in.account == "", noName: in.name == "", theme: theme(v.Request),
	})
	if err != nil {
		return err
	}
	b := make([]byte, 0, 8<<10)
	for _, piece := range page {
		b = append(b, piece.text...)
		if piece.then != nil {
			b = append(b, template.HTMLEscapeString(piece.then(in))...)
		}
	}
	return v.send(http.StatusUnprocessableEntity, b)
}

func (c *Console) refusal(v *Visit, kind refusal) (cutPage, error) {
	c.refusals.mu.Lock()
	defer c.refusals.mu.Unlock()
	if page, ok := c.refusals.forms[kind]; ok {
		return page, nil
	}
	var random [16]byte
	if _, err := io.ReadFull(c.config.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("make a mark: %w", err)
	}
	mark := hex.EncodeToString(random[:]) // in nothing else that is on the page
	marks := typed{problem: mark + "problem", to: mark + "/to"}
	if !kind.noAccount {
		marks.account = mark + "account"
	}
	if !kind.noName {
		marks.name = mark + "name"
	}
	whole, err := v.execute("signin", "layout", v.frame(c.signInPage(v, kind.root, marks)))
	if err != nil {
		return nil, err
	}
	page, err := cut(whole, mark, map[string]func(typed) string{
		"account": func(in typed) string { return in.account },
		"name":    func(in typed) string { return in.name },
		"problem": func(in typed) string { return in.problem },
		"/to":     func(in typed) string { return in.to },
		"%2Fto":   func(in typed) string { return url.QueryEscape(in.to) }, // in the query of a link
	})
	if err != nil {
		return nil, err
	}
	if c.refusals.forms == nil {
		c.refusals.forms = map[refusal]cutPage{}
	}
	c.refusals.forms[kind] = page
	return page, nil
}

// cut takes a page apart where mark and the name of one of the values stand.
func cut(whole []byte, mark string, values map[string]func(typed) string) (cutPage, error) {
	var page cutPage
next:
	for {
		text, rest, found := bytes.Cut(whole, []byte(mark))
		if !found {
			return append(page, piece{text: whole}), nil
		}
		for name, value := range values {
			if after, ok := bytes.CutPrefix(rest, []byte(name)); ok {
				page, whole = append(page, piece{text, value}), after
				continue next
			}
		}
		return nil, fmt.Errorf("a value stands on the page in a form that is not foreseen: %.40q", rest)
	}
}
