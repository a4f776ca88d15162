package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// DefaultMaxItems is the size of a page that does not ask for one (IAM API,
// "MaxItems"). The largest, 1,000, is in the models and checked there.
const DefaultMaxItems = 100

const (
	// maxMarkerPosition bounds the part of a cursor that a marker carries, so that
	// markers stay below the 320 characters that IAM admits, whatever the names.
	maxMarkerPosition = 200
	markerMACBytes    = 16
)

// ErrMarker means that a marker was not made by us for this very list.
var ErrMarker = errors.New("marker is not valid for this list")

// Markers makes and opens the markers by which a list is continued. A marker is
// authenticated and bound to the account, the operation and its arguments: one
// that was tampered with, cut, made up or taken from another list is refused.
// It is not secret: it says where in a list the caller is, which the caller knows.
type Markers struct{ key []byte }

// NewMarkers makes Markers of a secret key of at least 16 bytes. Nodes that share a
// key understand each other's markers.
func NewMarkers(key []byte) *Markers { return &Markers{key: key} }

// Make returns a marker for a position in the list that binding names.
func (m *Markers) Make(binding, position string) string {
	return base64.RawURLEncoding.EncodeToString(append(m.mac(binding, position), position...))
}

// Open returns the position in a marker that Make made for the same binding, or
// ErrMarker.
func (m *Markers) Open(binding, marker string) (position string, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(marker)
	if err != nil || len(b) < markerMACBytes {
		return "", ErrMarker
	}
	position = string(b[markerMACBytes:])
	if !hmac.Equal(b[:markerMACBytes], m.mac(binding, position)) {
		return "", ErrMarker
	}
	return position, nil
}

func (m *Markers) mac(binding, position string) []byte {
	mac := hmac.New(sha256.New, m.key)
	var n [8]byte // the length keeps binding and position apart
	binary.BigEndian.PutUint64(n[:], uint64(len(binding)))
	mac.Write(n[:])
	mac.Write([]byte(binding))
	mac.Write([]byte(position))
	return mac.Sum(nil)[:markerMACBytes]
}

// ErrPageFull is what a list returns to end a page before it has MaxItems items:
// what it would yield next would make the answer too large. At least one item must
// have been yielded.
var ErrPageFull = errors.New("the page is full")

// Paged is one page of a list, in the members of a paginated output.
type Paged[T any] struct {
	Items       []T // not nil
	IsTruncated bool
	Marker      *string // nil unless IsTruncated
}

// List yields the items of a list that lie behind a cursor ("" means all), each
// with its own cursor, in ascending order of cursors, until yield returns false.
type List[T any] func(after string, yield func(cursor string, item T) bool) error

// Page cuts the page out of a list that in, the operation's input with its Marker
// and MaxItems, asks for. The error for a bad marker is AWS's.
func Page[T any](c *Call, m *Markers, in any, list List[T]) (Paged[T], error) {
	binding, marker, size, err := request(c, in)
	if err != nil {
		return Paged[T]{}, err
	}
	var from place
	if marker != "" {
		position, err := m.Open(binding, marker)
		if err != nil {
			return Paged[T]{}, Invalid("Invalid Marker.")
		}
		if from, err = parsePlace(position); err != nil {
			return Paged[T]{}, err
		}
	}
	page := Paged[T]{Items: []T{}}
	at, skip, full := from, from.repeated, false
	err = list(from.cursor, func(cursor string, item T) bool {
		if skip > 0 && strings.HasPrefix(cursor, from.cursor) {
			skip--
			return true
		}
		if full = len(page.Items) == size; full {
			return false
		}
		page.Items = append(page.Items, item)
		at = at.next(cursor)
		return true
	})
	if full || errors.Is(err, ErrPageFull) {
		page.IsTruncated = true
		page.Marker = aws.String(m.Make(binding, at.String()))
		return page, nil
	}
	if err != nil {
		return Paged[T]{}, err
	}
	return page, nil
}

// request reads from an input what a page needs: what its markers are bound to, and
// the Marker and MaxItems members.
func request(c *Call, in any) (binding, marker string, size int, err error) {
	given := reflect.ValueOf(in).Elem()
	if m := given.FieldByName("Marker"); !m.IsNil() {
		marker = m.Elem().String()
	}
	size = DefaultMaxItems
	if n := given.FieldByName("MaxItems"); n.IsValid() && !n.IsNil() { // some lists have none
		size = max(1, int(n.Elem().Int()))
	}
	// All other members are what the list is about. A client may change the size
	// from page to page.
	arguments := reflect.New(given.Type()).Elem()
	arguments.Set(given)
	arguments.FieldByName("Marker").SetZero()
	if n := arguments.FieldByName("MaxItems"); n.IsValid() {
		n.SetZero()
	}
	text, err := json.Marshal(arguments.Interface())
	if err != nil {
		return "", "", 0, fmt.Errorf("bind marker: %w", err)
	}
	return c.Account() + " " + given.Type().Name() + " " + string(text), marker, size, nil
}

// place is where a page ended: behind the item with this cursor. Of a long cursor
// it holds only the beginning, and how many items with that beginning the pages so
// far have shown: long paths of MFA devices and tag keys in other scripts exceed
// what a marker can carry, and people do not make many that begin alike.
type place struct {
	cursor   string
	repeated int
}

func (p place) next(cursor string) place {
	if len(cursor) <= maxMarkerPosition {
		return place{cursor: cursor}
	}
	cursor = cursor[:maxMarkerPosition]
	if p.cursor == cursor && p.repeated > 0 {
		return place{cursor: cursor, repeated: p.repeated + 1}
	}
	return place{cursor: cursor, repeated: 1}
}

func (p place) String() string {
	return string(binary.AppendUvarint(nil, uint64(p.repeated))) + p.cursor
}

func parsePlace(s string) (place, error) {
	n, size := binary.Uvarint([]byte(s))
	if size <= 0 {
		return place{}, errors.New("an authenticated marker holds no position")
	}
	return place{cursor: s[size:], repeated: int(n)}, nil
}
