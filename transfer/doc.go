// Package transfer owns the way of an account's users, groups, roles and managed
// policies from AWS to here and from here to a file: reading what `aws iam
// get-account-authorization-details` prints, finding out what would change, making the
// changes, and printing the same form again.
//
// It is a client of the IAM API like any other. What may be changed, by whom, what is
// valid and what goes on record is decided where all requests are (ADR 6); so an import
// can do nothing that whoever runs it could not do by hand.
//
// A rule runs through it: what is made here is never allowed more than it was there. A
// piece that cannot be had is left out and reported; if that piece denies, what it hangs
// on is left out, too. A role can be assumed only once everything else of it is there.
package transfer
