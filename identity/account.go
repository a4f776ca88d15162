package identity

import "github.com/lanyard-iam/lanyard/store"

// SettingsOf are the switches of accounts that have touched one.
var SettingsOf = store.Table[AccountSettings]{Kind: store.AccountSettings} // account

// AccountSettings are the switches of an account.
type AccountSettings struct {
	// TokenVersion is what SetSecurityTokenServicePreferences set, 1 or 2, or 0.
	TokenVersion int32 `json:"tokenVersion,omitempty"`
	// Issuer identifies the account as an issuer of web identity tokens. It is drawn when
	// outbound federation is first enabled and stays the same ever after, so that those
	// who trust it need not be told again.
	Issuer string `json:"issuer,omitempty"`
	// Outbound is whether outbound federation is enabled.
	Outbound bool `json:"outbound,omitempty"`
}
