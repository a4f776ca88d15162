// Package samlx owns SAML 2.0's XML: it reads what identity providers wrote without
// being led by it. A document is first read whole by a strict reader of its own
// (xml.go); what it means is then taken from that tree and from nothing else, so that
// no two parsers can disagree about it.
//
// What a document may do in an account, and where it is kept, is its callers' matter.
// The package has no clock, no disk and no network: references in a document are
// never followed.
package samlx
