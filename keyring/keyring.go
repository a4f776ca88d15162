// Package keyring owns the keys that protect other keys.
//
// A [Ring] holds data keys, one set per [Class] of secret; they seal the secrets that
// Lanyard stores (access-key secrets, TOTP seeds, private keys) and the tokens that it
// gives out. The ring itself is stored sealed by the [SealKey], which lives outside the
// database: a stolen database yields no secret.
//
//	seal key (file, environment, systemd credential)
//	  └─ seals the ring: Marshal, Open
//	       └─ data keys per class: Seal, Open, Key.AEAD, Key.Derive
//	            └─ secrets in records, session tokens, encoded messages
//
// # Mechanisms
//
// Everything is sealed with XAES-256-GCM (see xaes.go): AES-256-GCM under a key derived
// from the first half of a random 192-bit nonce. So many random nonces do not collide
// that no key has a budget of messages; nothing has to be counted, and nothing
// goes wrong where counting would be lost. A sealed value carries its version and its
// key's id; both, the class, and the caller's additional data (the key of the record that
// holds it) are authenticated, so that a value moved to another record does not open.
//
// Rotating a class adds a key and makes the older ones decrypt-only: what they sealed
// opens as before. Retiring a key destroys it.
//
// Where the sealed ring is kept, and who may rotate, is left to the neighbours.
package keyring

import (
	"cmp"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Class separates keys by what they protect; a value sealed in one class does not open in
// another.
type Class string

// The classes. Every ring has an active key in each.
const (
	// AccessKeySecrets: secret access keys, needed in clear to verify signatures.
	AccessKeySecrets Class = "access-key-secret"
	// MFASeeds: the seeds of virtual MFA devices.
	MFASeeds Class = "mfa-seed"
	// PrivateKeys: keys that Lanyard signs with.
	PrivateKeys Class = "private-key"
	// SessionTokens: temporary credentials. Their secret keys are derived, see [Key.Derive].
	SessionTokens Class = "session-token"
	// Messages: what clients carry for us and bring back: the encoded messages of
	// DecodeAuthorizationMessage, WebAuthn ceremonies.
	Messages Class = "authorization-message"
)

// Classes returns all classes.
func Classes() []Class {
	return []Class{AccessKeySecrets, MFASeeds, PrivateKeys, SessionTokens, Messages}
}

// Errors. None of them, nor any text around them, contains key material or plaintext.
var (
	// ErrWrongSealKey: the ring was sealed with another seal key.
	ErrWrongSealKey = errors.New("keyring: this is not the seal key that the keyring was sealed with")
	// ErrDamaged: the bytes were changed after they were sealed.
	ErrDamaged = errors.New("keyring: damaged")
	// ErrNewer: the bytes were sealed by a later release.
	ErrNewer = errors.New("keyring: sealed by a newer release")
	// ErrUnknownKey: the key that sealed the value was retired, or was never in this ring.
	ErrUnknownKey = errors.New("keyring: sealed with a key that is not in the keyring")
	// ErrCannotOpen: the value was changed, or belongs to another record or class.
	ErrCannotOpen = errors.New("keyring: sealed value does not open")
	// ErrActive: an active key cannot be retired; rotate first.
	ErrActive = errors.New("keyring: the key is active")
	// ErrOutdated: the ring changed since the change was prepared; prepare it again.
	ErrOutdated = errors.New("keyring: the keyring has changed meanwhile")
)

// State is what a key may be used for.
type State uint8

const (
	Active      State = 1 // seals and opens
	DecryptOnly State = 2 // opens what it sealed before
)

func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case DecryptOnly:
		return "decrypt-only"
	default:
		return fmt.Sprintf("State(%d)", uint8(s))
	}
}

// Versions of what is written. Readers refuse others.
const (
	ringVersion  = 1
	valueVersion = 1
)

const (
	secretBytes   = 32
	headerBytes   = 1 + 4 // of a sealed value: version, key id
	sealTagBytes  = 8     // of a sealed ring, after its version: tells the seal key
	maxKeys       = 1024  // in a ring; there are five, and one more for each rotation
	maxRingBytes  = 1 << 20
	labelSealing  = "lanyard keyring seal"
	labelDeriving = "lanyard keyring derive"
)

// Ring is a set of keys. Its methods may be called from any goroutine.
type Ring struct {
	keys   atomic.Pointer[keys]
	change sync.Mutex // orders Apply
}

// keys is the immutable content of a ring.
type keys struct {
	seal   SealKey
	byID   map[uint32]*Key
	active map[Class]*Key
}

// New makes a ring with one active key per class. Marshal it and keep that before the
// ring is used.
func New(seal SealKey, rand io.Reader, now time.Time) (*Ring, error) {
	k := &keys{seal: seal, byID: make(map[uint32]*Key), active: make(map[Class]*Key)}
	for _, class := range Classes() {
		if err := k.add(class, rand, now); err != nil {
			return nil, err
		}
	}
	r := new(Ring)
	r.keys.Store(k)
	return r, nil
}

// add makes the active key of class; the previous one becomes decrypt-only.
func (k *keys) add(class Class, rand io.Reader, now time.Time) error {
	if len(k.byID) >= maxKeys {
		return fmt.Errorf("keyring: %d keys; retire some", len(k.byID))
	}
	var secret [secretBytes]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return fmt.Errorf("keyring: make a key: %w", err)
	}
	id, err := k.unusedID(rand)
	if err != nil {
		return err
	}
	if old := k.active[class]; old != nil {
		k.byID[old.ID()] = old.as(DecryptOnly)
	}
	key := newKey(record{ID: id, Class: class, Created: now.UTC(), State: Active, Secret: secret[:]})
	k.byID[id], k.active[class] = key, key
	return nil
}

// unusedID draws ids at random, so that rings with a common ancestor (a restored backup)
// do not give the same id to different keys.
func (k *keys) unusedID(rand io.Reader) (uint32, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return 0, fmt.Errorf("keyring: make a key: %w", err)
		}
		if id := binary.BigEndian.Uint32(b[:]); id != 0 && k.byID[id] == nil {
			return id, nil
		}
	}
}

// record is a key in the sealed ring.
type record struct {
	ID      uint32
	Class   Class
	Created time.Time
	State   State
	Secret  []byte
}

// Open opens a ring that Marshal made.
func Open(seal SealKey, blob []byte) (*Ring, error) {
	if len(blob) > maxRingBytes || len(blob) < 1+sealTagBytes {
		return nil, fmt.Errorf("%w: a ring of %d bytes", ErrDamaged, len(blob))
	}
	if blob[0] > ringVersion {
		return nil, fmt.Errorf("%w: version %d", ErrNewer, blob[0])
	}
	if blob[0] != ringVersion {
		return nil, fmt.Errorf("%w: version %d", ErrDamaged, blob[0])
	}
	head, sealed := blob[:1+sealTagBytes], blob[1+sealTagBytes:]
	// The tag is no secret, and what it decides is only the text of the error.
	if [sealTagBytes]byte(head[1:]) != seal.tag() {
		return nil, ErrWrongSealKey
	}
	plain, err := open(seal.aead(), sealed, head)
	if err != nil {
		return nil, ErrDamaged
	}
	var records []record
	if err := json.Unmarshal(plain, &records); err != nil {
		return nil, ErrDamaged // not err's text: it may quote the plaintext
	}
	k := &keys{seal: seal, byID: make(map[uint32]*Key), active: make(map[Class]*Key)}
	for _, rec := range records {
		if len(rec.Secret) != secretBytes || rec.ID == 0 || k.byID[rec.ID] != nil || rec.State == Active && k.active[rec.Class] != nil {
			return nil, ErrDamaged
		}
		key := newKey(rec)
		k.byID[rec.ID] = key
		if rec.State == Active {
			k.active[rec.Class] = key
		}
	}
	r := new(Ring)
	r.keys.Store(k)
	return r, nil
}

// Missing returns the classes without an active key: those that a later release has added
// since the ring was made. Rotate gives them one.
func (r *Ring) Missing() (classes []Class) {
	k := r.keys.Load()
	for _, class := range Classes() {
		if k.active[class] == nil {
			classes = append(classes, class)
		}
	}
	return classes
}

// Marshal returns the ring sealed by its seal key; safe to store. Every call returns other
// bytes.
func (r *Ring) Marshal() []byte { return r.keys.Load().marshal() }

func (k *keys) marshal() []byte {
	records := make([]record, 0, len(k.byID))
	for _, key := range k.byID {
		records = append(records, key.record)
	}
	slices.SortFunc(records, func(a, b record) int { return a.Created.Compare(b.Created) })
	plain, err := json.Marshal(records)
	if err != nil {
		panic("keyring: " + err.Error()) // only a year beyond 9999 can do that; New refuses none, time.Now gives none
	}
	tag := k.seal.tag()
	head := append([]byte{ringVersion}, tag[:]...)
	return seal(k.seal.aead(), head, plain, head)
}

// Change is a prepared change of a ring. Store Marshal's bytes first, then Apply: in the
// other order, a crash would lose a key that has sealed something already.
type Change struct {
	ring *Ring
	from *keys
	to   *keys
}

// Marshal returns the changed ring, sealed.
func (c *Change) Marshal() []byte { return c.to.marshal() }

// Apply makes the ring use the change. It fails with [ErrOutdated] if another change was
// applied since this one was prepared.
func (c *Change) Apply() error {
	c.ring.change.Lock()
	defer c.ring.change.Unlock()
	if !c.ring.keys.CompareAndSwap(c.from, c.to) {
		return ErrOutdated
	}
	return nil
}

func (r *Ring) prepare() *Change {
	from := r.keys.Load()
	to := &keys{seal: from.seal, byID: make(map[uint32]*Key), active: make(map[Class]*Key)}
	for id, key := range from.byID {
		to.byID[id] = key
	}
	for class, key := range from.active {
		to.active[class] = key
	}
	return &Change{ring: r, from: from, to: to}
}

// Rotate prepares a new active key for class. What older keys sealed still opens.
func (r *Ring) Rotate(class Class, now time.Time, rand io.Reader) (*Change, error) {
	if !slices.Contains(Classes(), class) {
		return nil, fmt.Errorf("keyring: no class %q", class)
	}
	c := r.prepare()
	if err := c.to.add(class, rand, now); err != nil {
		return nil, err
	}
	return c, nil
}

// Retire prepares the destruction of a decrypt-only key. What it sealed will not open again.
func (r *Ring) Retire(id uint32) (*Change, error) {
	c := r.prepare()
	key, ok := c.to.byID[id]
	switch {
	case !ok:
		return nil, ErrUnknownKey
	case key.state() == Active:
		return nil, ErrActive
	}
	delete(c.to.byID, id)
	return c, nil
}

// Reseal prepares the same ring under another seal key.
func (r *Ring) Reseal(seal SealKey) *Change {
	c := r.prepare()
	c.to.seal = seal
	return c
}

// Seal seals plaintext with the active key of class. ad binds the result to its place: the
// key of the record that will hold it. The nonce is crypto/rand's own, as in
// cipher.NewGCMWithRandomNonce: one that repeats would give the plaintext away.
func (r *Ring) Seal(class Class, ad string, plaintext []byte) ([]byte, error) {
	key := r.keys.Load().active[class]
	if key == nil {
		return nil, fmt.Errorf("keyring: no active key in class %q", class)
	}
	head := make([]byte, headerBytes, headerBytes+nonceBytes+len(plaintext)+tagBytes)
	head[0] = valueVersion
	binary.BigEndian.PutUint32(head[1:], key.record.ID)
	return seal(key.aead, head, plaintext, bound(head, class, ad)), nil
}

// Open opens what Seal sealed, in the same class and with the same ad.
func (r *Ring) Open(class Class, ad string, sealed []byte) ([]byte, error) {
	if len(sealed) < headerBytes+nonceBytes+tagBytes {
		return nil, ErrCannotOpen
	}
	if sealed[0] > valueVersion {
		return nil, fmt.Errorf("%w: value of version %d", ErrNewer, sealed[0])
	}
	if sealed[0] != valueVersion {
		return nil, ErrCannotOpen
	}
	head := sealed[:headerBytes]
	key, ok := r.Key(class, binary.BigEndian.Uint32(head[1:]))
	if !ok {
		return nil, ErrUnknownKey
	}
	plain, err := open(key.aead, sealed[headerBytes:], bound(head, class, ad))
	if err != nil {
		return nil, ErrCannotOpen
	}
	return plain, nil
}

// bound is the additional data of a sealed value. Classes contain no 0x00, so that it has
// one reading.
func bound(head []byte, class Class, ad string) []byte {
	b := make([]byte, 0, len(head)+len(class)+1+len(ad))
	b = append(b, head...)
	b = append(b, class...)
	b = append(b, 0)
	return append(b, ad...)
}

// Active returns the key of class that new tokens are made with; nil if the class is
// [Ring.Missing].
func (r *Ring) Active(class Class) *Key { return r.keys.Load().active[class] }

// Key returns the key of class with this id, active or not.
func (r *Ring) Key(class Class, id uint32) (*Key, bool) {
	key, ok := r.keys.Load().byID[id]
	if !ok || key.record.Class != class {
		return nil, false
	}
	return key, true
}

// Info describes a key, without the key.
type Info struct {
	ID      uint32
	Class   Class
	Created time.Time
	State   State
}

// List describes the keys of the ring, oldest first.
func (r *Ring) List() []Info {
	var list []Info
	for _, key := range r.keys.Load().byID {
		list = append(list, Info{key.record.ID, key.record.Class, key.record.Created, key.state()})
	}
	slices.SortFunc(list, func(a, b Info) int {
		return cmp.Or(a.Created.Compare(b.Created), slices.Index(Classes(), a.Class)-slices.Index(Classes(), b.Class))
	})
	return list
}

// SealKeyID is the ID of the seal key of the ring.
func (r *Ring) SealKeyID() string { return r.keys.Load().seal.ID() }

// Format keeps keys out of logs, whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { io.WriteString(f, "keyring.Ring") }

// Key is a key of the ring, for those who frame their own tokens. It never changes.
type Key struct {
	record  record
	aead    cipher.AEAD
	deriver []byte
}

func newKey(rec record) *Key {
	return &Key{record: rec, aead: newXAES(expand(rec.Secret, labelSealing, secretBytes)), deriver: expand(rec.Secret, labelDeriving, secretBytes)}
}

func (k *Key) as(s State) *Key {
	changed := *k
	changed.record.State = s
	return &changed
}

func (k *Key) state() State { return k.record.State }

// ID is the key's number, unique in its ring, never 0.
func (k *Key) ID() uint32 { return k.record.ID }

// AEAD returns the key's XAES-256-GCM. Its nonce has 24 bytes, which must come from
// crypto/rand; then any number of messages is safe.
func (k *Key) AEAD() cipher.AEAD { return k.aead }

// Derive returns n bytes (at most 8,160) that only holders of the key can compute: HKDF-SHA256
// (RFC 5869) of the purpose and info, such as the id of a token whose secret key it is.
func (k *Key) Derive(purpose string, info []byte, n int) []byte {
	// The length keeps purpose and info apart.
	label := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(purpose)+len(info)), uint32(len(purpose)))
	label = append(label, purpose...)
	return expand(k.deriver, string(append(label, info...)), n)
}

// Format keeps keys out of logs, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "keyring.Key(%d)", k.record.ID) }

func expand(secret []byte, label string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, secret, label, n)
	if err != nil {
		panic("keyring: " + err.Error()) // n is too large, a mistake of the program
	}
	return b
}

// seal appends nonce and ciphertext to dst.
func seal(aead cipher.AEAD, dst, plaintext, ad []byte) []byte {
	var nonce [nonceBytes]byte
	rand.Read(nonce[:]) // never fails, see its documentation
	return aead.Seal(append(dst, nonce[:]...), nonce[:], plaintext, ad)
}

func open(aead cipher.AEAD, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < nonceBytes {
		return nil, ErrCannotOpen
	}
	return aead.Open(nil, sealed[:nonceBytes], sealed[nonceBytes:], ad)
}

var textEncoding = base64.StdEncoding.Strict()
