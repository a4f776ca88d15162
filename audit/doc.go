// Package audit owns the trail: what a record of a request says, how it is
// written, kept and found again.
//
// An [Event] is opened when a request arrives and filled on its way. Its record
// is CloudTrail's, so that every tool that reads CloudTrail reads ours. A
// [Redactor] turns the operation's input and output into requestParameters and
// responseElements and leaves out what must never be recorded. A [Trail] stores
// events in one of three ways, by what the request did:
//
//   - AppendTo puts the record of a change into the change's own transaction:
//     both are durable, or neither.
//   - AppendNow returns when the record is durable, for answers that hand out
//     credentials without changing anything.
//   - Enqueue keeps the record in memory and writes it with others a moment later,
//     for reads and refusals. A crash loses at most the records of that moment;
//     none of them is about a change, or about credentials. Offer does the same for
//     attempts that were not believed, without waiting, in half of the queue.
//
// The trail is read by Lookup, as CloudTrail's LookupEvents does, and by Find and
// LastDenied, which also return the private companion of a record: the
// [Decision] of the policy engine; and by Calls, for all that a key did.
//
// Who is calling is put into a record by package authn; which operations are
// recorded in which way is decided by package endpoint; the errors of
// LookupEvents are those of package service/cloudtrail.
package audit
