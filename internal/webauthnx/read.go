package webauthnx

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
)

// The bounds of JSON that comes from a browser.
const (
	maxDepth   = 8
	maxMembers = 64 // of one object
)

// answer is what both kinds of answer have in common.
type answer struct {
	id            []byte
	clientDataRaw []byte
	client        clientData
}

// clientData is what the browser says of the ceremony.
type clientData struct {
	Type, Challenge, Origin string
	CrossOrigin             bool
	TopOrigin               bool // there is one
}

// created is the answer of an authenticator that made a credential.
type created struct {
	answer
	attestationObject []byte
	transports        []string
	discoverable      bool
}

// asserted is the answer of an authenticator that used a credential.
type asserted struct {
	answer
	authenticatorData, signature, userHandle []byte
}

// envelope is the JSON of RegistrationResponseJSON and AuthenticationResponseJSON.
type envelope struct {
	ID       string `json:"id"`
	RawID    string `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientDataJSON    string   `json:"clientDataJSON"`
		AttestationObject string   `json:"attestationObject"`
		Transports        []string `json:"transports"`
		AuthenticatorData string   `json:"authenticatorData"`
		Signature         string   `json:"signature"`
		UserHandle        string   `json:"userHandle"`
	} `json:"response"`
	Extensions struct {
		CredProps struct {
			RK bool `json:"rk"`
		} `json:"credProps"`
	} `json:"clientExtensionResults"`
}

// readEnvelope reads what surrounds both kinds of answer. Every error is [Malformed].
func readEnvelope(response []byte) (e envelope, a answer, err error) {
	if len(response) > MaxResponse || plainJSON(response) != nil || json.Unmarshal(response, &e) != nil || e.Type != "public-key" || e.ID != e.RawID {
		return e, a, Malformed
	}
	if a.id, err = required(e.ID); err != nil {
		return e, a, err
	}
	if a.clientDataRaw, err = required(e.Response.ClientDataJSON); err != nil {
		return e, a, err
	}
	a.client, err = readClientData(a.clientDataRaw)
	return e, a, err
}

func readCreated(response []byte) (*created, error) {
	e, a, err := readEnvelope(response)
	if err != nil {
		return nil, err
	}
	object, err := required(e.Response.AttestationObject)
	if err != nil {
		return nil, err
	}
	return &created{answer: a, attestationObject: object, transports: e.Response.Transports, discoverable: e.Extensions.CredProps.RK}, nil
}

func readAsserted(response []byte) (*asserted, error) {
	e, a, err := readEnvelope(response)
	if err != nil {
		return nil, err
	}
	out := &asserted{answer: a}
	if out.authenticatorData, err = required(e.Response.AuthenticatorData); err != nil {
		return nil, err
	}
	if out.signature, err = required(e.Response.Signature); err != nil {
		return nil, err
	}
	if e.Response.UserHandle == "" { // or null: the authenticator does not say
		return out, nil
	}
	if out.userHandle, err = required(e.Response.UserHandle); err != nil || len(out.userHandle) > maxHandle {
		return nil, Malformed
	}
	return out, nil
}

// required reads base64url without padding that encodes at least one byte, and only in
// the one way to write it.
func required(text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || strings.ContainsAny(text, "\r\n") {
		return nil, Malformed
	}
	return b, nil
}

// readClientData reads the members that have a meaning to us, by exactly their names.
// Others are allowed: browsers add some so that nobody relies on there being none.
func readClientData(raw []byte) (c clientData, err error) {
	var members map[string]json.RawMessage
	if plainJSON(raw) != nil || json.Unmarshal(raw, &members) != nil {
		return c, Malformed
	}
	for name, to := range map[string]*string{"type": &c.Type, "challenge": &c.Challenge, "origin": &c.Origin} {
		if json.Unmarshal(members[name], to) != nil {
			return c, Malformed
		}
	}
	if v, there := members["crossOrigin"]; there && json.Unmarshal(v, &c.CrossOrigin) != nil {
		return c, Malformed
	}
	_, c.TopOrigin = members["topOrigin"]
	return c, nil
}

var errNotPlain = errors.New("not plain JSON")

// plainJSON accepts an object in UTF-8 that every reader of JSON understands in the same
// way: no object in it has two members whose names differ in case at most, nothing
// follows it, and it is not deep.
func plainJSON(text []byte) error {
	if !utf8.Valid(text) || !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return errNotPlain
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := plainValue(d, maxDepth); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errNotPlain
	}
	return nil
}

func plainValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == 0 {
		return errNotPlain
	}
	var names []string
	for d.More() {
		if open == '{' {
			token, err := d.Token()
			if err != nil {
				return err
			}
			name := token.(string)
			for _, other := range names {
				if strings.EqualFold(name, other) {
					return errNotPlain
				}
			}
			if names = append(names, name); len(names) > maxMembers {
				return errNotPlain
			}
		}
		if err := plainValue(d, depth-1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing bracket
	return err
}

// parse has the library read the answer.
func (a *created) parse() (*protocol.ParsedCredentialCreationData, error) {
	return protocol.CredentialCreationResponse{
		PublicKeyCredential: a.credential(),
		AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: a.clientDataRaw},
			AttestationObject:     a.attestationObject,
		},
	}.Parse()
}

// parse has the library read the answer.
func (a *asserted) parse() (*protocol.ParsedCredentialAssertionData, error) {
	return protocol.CredentialAssertionResponse{
		PublicKeyCredential: a.credential(),
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: a.clientDataRaw},
			AuthenticatorData:     a.authenticatorData,
			Signature:             a.signature,
			UserHandle:            a.userHandle,
		},
	}.Parse()
}

func (a *answer) credential() protocol.PublicKeyCredential {
	return protocol.PublicKeyCredential{
		Credential: protocol.Credential{ID: base64.RawURLEncoding.EncodeToString(a.id), Type: string(protocol.PublicKeyCredentialType)},
		RawID:      a.id,
	}
}
