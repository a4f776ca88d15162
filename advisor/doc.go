// Package advisor says what is unsafe in an account, who can come in and what they may
// do, which credential fits whom, and how far one is with what is to be done.
//
// It is rules over a snapshot of [Facts] and nothing else: no clock, no store, no
// network. [Review] makes the findings and the score, [MakePlan] the access plan,
// [MakeChecklist] a checklist, [Recommend] ranks the methods of getting credentials by
// the answers to [Questions]. What somebody may do is decided by package policy, from the
// documents, never from a policy's name.
//
// It leaves to its neighbours where the facts come from (package survey reads them
// through the API), how suppressions are kept, and the console's
// pages, of which it knows the paths.
package advisor
