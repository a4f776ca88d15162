package identity

import (
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// Whom an account tells of security events, and what waits to be told. Package notify knows
// which events these are, and delivers.
var (
	NotificationsOf = store.Table[Notifications]{Kind: store.Notifications} // account
	Notices         = store.Table[Notice]{Kind: store.Notice}               // account, Digest of the destination, event's name, slot
)

// Notifications are the destinations of an account. Without this record, only the e-mail
// address of root is told.
type Notifications struct {
	Webhook  *Destination  `json:"webhook,omitempty"`
	Contacts []Destination `json:"contacts,omitempty"` // e-mail addresses
	NotRoot  bool          `json:"notRoot,omitempty"`  // root's address is not told
	// Former are those that the last change removed: they are told of it.
	Former []Destination `json:"former,omitempty"`
	// Told is how it went, by destination.
	Told map[string]Delivery `json:"told,omitempty"`
	// Tested is when a test was sent last.
	Tested time.Time `json:"tested,omitzero"`
}

// Destination is a webhook or an e-mail address.
type Destination struct {
	To    string    `json:"to"` // a URL, or an e-mail address
	Since time.Time `json:"since,omitzero"`
	// Secret signs what is sent to a webhook; so does Previous, until its end, after a new
	// one was made. They are sealed for SecretLabel of the account.
	Secret        []byte    `json:"secret,omitempty"`
	Previous      []byte    `json:"previous,omitempty"`
	PreviousUntil time.Time `json:"previousUntil,omitzero"`
}

// SecretLabel is what the secrets of webhooks are sealed for. It is the account's and not a
// record's, for a secret goes with what waits to be signed by it.
func SecretLabel(account arn.AccountID) string {
	return string(NotificationsOf.Key(string(account)))
}

// Delivery is how it went with a destination lately.
type Delivery struct {
	Delivered time.Time `json:"delivered,omitzero"` // the last time that it went well
	Failed    time.Time `json:"failed,omitzero"`    // the last time that it did not
	Failure   string    `json:"failure,omitempty"`  // why, then
	GivenUp   int       `json:"givenUp,omitempty"`  // so many notices were never delivered
}

// Notice is news of an event on its way to one destination.
type Notice struct {
	Account  arn.AccountID `json:"account"`
	To       Destination   `json:"to"` // as it was then
	ID       string        `json:"id"` // of the event on the trail
	Time     time.Time     `json:"time"`
	Event    string        `json:"event"` // its name
	Who      string        `json:"who"`
	SourceIP string        `json:"from"`
	Text     string        `json:"text"`   // what happened, in a sentence
	Advice   string        `json:"advice"` // what to do, if that was not right
	// More are the events of that name since First that this notice stands for beside its own,
	// which is the newest of them. Slot is the id of the first.
	More  int       `json:"more,omitempty"`
	First time.Time `json:"first"`
	Slot  string    `json:"slot"`
	// Attempts were made without success, and the next is due at Next.
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`
}
