package advisor

import (
	"net/url"
	"strings"
)

// The console's pages, as paths. Whether this installation has a console is not known
// here.
const (
	SecurityPage   = "/security"
	UsersPage      = "/users"
	SettingsPage   = "/settings"
	EventsPage     = "/events"
	FindingsPage   = "/findings"
	ProvidersPage  = "/identity-providers"
	CredentialPage = "/credential-advisor"
	AccessPlanPage = "/access-plan"
)

// UserPage is the page of a user.
func UserPage(name string) string { return UsersPage + "/" + url.PathEscape(name) }

// GroupPage is the page of a group.
func GroupPage(name string) string { return "/groups/" + url.PathEscape(name) }

// RolePage is the page of a role.
func RolePage(name string) string { return "/roles/" + url.PathEscape(name) }

// KeyPage is the page of an access key, where it is rotated.
func KeyPage(id string) string { return "/access-keys/" + url.PathEscape(id) }

// PolicyPage is the page of a managed policy, whose ARN is the path.
func PolicyPage(arn string) string { return "/policies/" + (&url.URL{Path: arn}).EscapedPath() }

// ExposedKeyPage is where the response to a leaked key begins.
func ExposedKeyPage(id string) string { return "/exposed-key?" + url.Values{"key": {id}}.Encode() }

// ChecklistPage is the page of a checklist, about a key if it needs one.
func ChecklistPage(name, key string) string {
	path := "/checklists/" + url.PathEscape(name)
	if key != "" {
		path += "?" + url.Values{"key": {key}}.Encode()
	}
	return path
}

// eventsBy is the event history with one filter of LookupEvents.
func eventsBy(attribute, value string) string {
	return EventsPage + "?" + url.Values{attribute: {value}}.Encode()
}

// pageOf is the page of an entity by its ARN.
func pageOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return FindingsPage
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "user":
		return UserPage(name)
	case "group":
		return GroupPage(name)
	case "role":
		return RolePage(name)
	case "policy":
		return PolicyPage(arn)
	case "root":
		return SecurityPage
	case "oidc-provider", "saml-provider":
		return ProvidersPage
	}
	return FindingsPage
}
