// Package constraint checks the parameters of a request against the limits of
// AWS's service models: required members, lengths, sizes, ranges, patterns and
// enumerations, for every operation of a service through one table, with the
// texts that AWS answers:
//
//	1 validation error detected: Value 'a b' at 'roleSessionName' failed to
//	satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*
//
// The same models say which members are secret and which HTTP status an error
// has; [Table.Sensitive] and [Table.Status] hand that out to the audit trail and
// to protocol.ErrorOf.
//
// Rules that involve more than one value, or the state of the account, belong
// to the service.
//
// # Data
//
// The data folder holds one file for each service, written by constraint/gen; that of
// our own service, lanyard, is written by hand. Its lines have fields parted by tabs:
//
//	service    NAME VERSION
//	operation  NAME INPUT [unsigned] [in=PATH]… [out=PATH]…   - for no input; paths of sensitive members
//	structure  NAME [MEMBER[!]=SHAPE]…                        ! marks required members
//	list       NAME ELEMENT [min=N] [max=N]
//	map        NAME KEY VALUE [min=N] [max=N]
//	TYPE       NAME [min=N] [max=N] [sensitive] [enum=VALUE]… [pattern=REGEXP]
//	error      EXCEPTION CODE STATUS                          0 if the model has no status
//
// # Where AWS is not documented
//
// Paths are spelled as AWS spells them in the messages that people have
// published: members begin in lower case, elements of lists are numbered from 1,
// tags.1.member.key. What is wrong with an element that is not a structure is
// reported of the list as a whole. Lengths are in Unicode code points, as
// the Smithy specification has it.
package constraint
