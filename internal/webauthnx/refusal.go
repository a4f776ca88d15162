package webauthnx

// Refusal is why an answer is not accepted. Its text is for the person in front of the
// browser, and tells nothing that only the server knows.
type Refusal uint8

// The refusals.
const (
	Malformed         Refusal = iota + 1 // cannot be read, or is not as WebAuthn says
	Expired                              // the ceremony is too old
	WrongCeremony                        // an answer to a registration at sign-in, or the reverse
	WrongChallenge                       // an answer to another ceremony
	WrongOrigin                          // made on another site, or in a frame
	WrongSite                            // made for another relying party
	NotPresent                           // the authenticator was not touched
	NotVerified                          // PIN, finger or face was required
	UnknownCredential                    // registered with nobody
	WrongPerson                          // somebody else's credential or ceremony
	AlreadyRegistered                    // excluded, for it is registered
	UnsupportedKey                       // an algorithm that we do not take, or no key of it
	WrongAttestation                     // a statement that is not right, or that we do not know
	WrongSignature                       // not signed with the credential's key
	BackupChanged                        // a key that could not be synced now could, or the reverse
	Cloned                               // the signature counter went back: there may be a copy
)

var sentences = [...]string{
	Malformed:         "Your browser's answer could not be read. Try again, or use another browser.",
	Expired:           "This took longer than five minutes. Start again.",
	WrongCeremony:     "The answer belongs to another step. Start again.",
	WrongChallenge:    "The answer belongs to another attempt. Start again.",
	WrongOrigin:       "The answer was made for another address than this site's. Check the address in your browser and start again.",
	WrongSite:         "The security key answered for another site. Check the address in your browser and start again.",
	NotPresent:        "The security key was not touched. Try again and touch it when it asks for it.",
	NotVerified:       "The security key did not check that it is you. Use its PIN, fingerprint or face recognition; if it has none, set a PIN first.",
	UnknownCredential: "This security key or passkey is not registered here. Use another one, or sign in another way.",
	WrongPerson:       "This security key or passkey is not registered for you. Use one of your own.",
	AlreadyRegistered: "This security key or passkey is registered already. Use another one.",
	UnsupportedKey:    "This security key makes a kind of key that is not accepted here. Use another one.",
	WrongAttestation:  "The security key's statement about itself is not valid. Use another one.",
	WrongSignature:    "The security key's answer is not valid. Try again.",
	BackupChanged:     "This security key or passkey is not as it was registered. Sign in another way and register it again.",
	Cloned:            "There may be a copy of this security key: its counter went back. Try again. If that fails too, sign in another way, remove the key and register a new one.",
}

func (r Refusal) Error() string { return sentences[r] }
