// Package advisor says what is unsafe in an account, and which credential fits whom.
//
// It is rules over a snapshot of [Facts] and nothing else: no clock, no store, no
// network. [Review] makes the findings and the score, [Recommend] ranks the methods of
// getting credentials. What somebody may do is decided by package policy, from the
// documents, never from a policy's name.
//
// It leaves to its neighbours where the facts come from (package survey reads them
// through the API), how suppressions are kept, and how findings are shown.
package advisor
