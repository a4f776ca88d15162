package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// Flash is a message that the next page shows once.
type Flash struct {
	Kind Kind   `json:"k"`
	Text string `json:"t"`
}

// Kind is what a message or a status amounts to. Each has an icon and a colour.
type Kind string

// The kinds.
const (
	Good    Kind = "good"
	Info    Kind = "info"
	Warning Kind = "warning"
	Bad     Kind = "bad"
	Neutral Kind = "neutral"
)

// flashCookie carries messages over one redirect. It holds nothing secret, and what
// a browser makes of it is shown to that browser only, escaped.
const (
	flashCookie = "__Host-lanyard-flash"
	maxFlash    = 2 << 10
)

// Flash says something on the page that is shown next: one sentence, in the past
// tense, that names what was changed.
func (v *Visit) Flash(kind Kind, text string) {
	v.flashes = append(v.flashes, Flash{kind, text})
}

// storeFlashes hands the messages that have not been shown to the browser.
func (v *Visit) storeFlashes() {
	if len(v.flashes) == 0 {
		return
	}
	text, err := json.Marshal(v.flashes)
	if err != nil || len(text) > maxFlash {
		text = []byte(`[{"k":"info","t":"It is done."}]`)
	}
	v.flashes = nil
	v.SetCookie(&http.Cookie{
		Name: flashCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Value: base64.RawURLEncoding.EncodeToString(text), MaxAge: 60,
	})
}

// hasFlashes tells whether there are messages for this page.
func (v *Visit) hasFlashes() bool {
	_, err := v.Request.Cookie(flashCookie)
	return err == nil || len(v.flashes) > 0
}

// takeFlashes are the messages for this page. They are shown once.
func (v *Visit) takeFlashes() []Flash {
	var flashes []Flash
	if cookie, err := v.Request.Cookie(flashCookie); err == nil {
		text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
		if err != nil || json.Unmarshal(text, &flashes) != nil {
			flashes = nil
		}
		for i := range flashes {
			switch flashes[i].Kind {
			case Good, Info, Warning, Bad:
			default:
				flashes[i].Kind = Info
			}
		}
		v.SetCookie(&http.Cookie{Name: flashCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
	}
	flashes = append(flashes, v.flashes...)
	v.flashes = nil
	return flashes
}
