// Package policy is AWS's policy language: it parses and validates policy
// documents by the rules that IAM applies when one is saved, compiles them, and
// decides whether a request is allowed, saying why.
//
// A document becomes a [Document] once ([Parse]); the documents that bear on a
// caller become a [Set] once ([NewSet]), indexed so that the cost of a decision
// follows the statements that could match and not the number attached; a
// request is then judged by [Evaluate] as often as needed. Documents and sets
// are immutable and safe for concurrent use. Without a [Trace] a decision
// allocates nothing; with one, every layer of policy is explained: which
// statements matched, which nearly did, and the values that were compared.
//
// The package is pure: it reads no clock, disk or network and knows no store.
// It leaves to its neighbours: which policies are attached to whom, the values
// of condition keys, quotas (but [CountNonSpace] counts as IAM does), whether
// the principals that a trust policy names exist, and caching.
//
// Words are those of the IAM User Guide, chapter "IAM JSON policy reference"
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies.html), whose
// section "Policy evaluation logic" [Evaluate] follows.
package policy
