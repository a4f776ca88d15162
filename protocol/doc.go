// Package protocol is the server's side of AWS's wire protocols: it turns the
// bytes of a request into the SDK's own input types and the SDK's own output
// types and errors into the bytes of a response.
//
//   - Query (IAM, STS): form parameters in, XML out ([ParseForm],
//     [DecodeQuery], [AppendQueryResponse], [AppendQueryError]).
//   - awsJson 1.1 (CloudTrail): JSON both ways ([DecodeJSON], [AppendJSON],
//     [AppendJSONError]).
//   - restJson 1 (sign-in): JSON both ways, with some members in the URI and in
//     headers ([Routes], [Binding], [AppendRESTError]).
//
// The SDK's exported fields are the schema: a type's wire form is derived by
// reflection once and remembered, and the handful of names that differ from
// their Go fields stand in one table ([wireName]). Services that speak restJson
// have schemas in the SDK, which say names and places ([Bind]).
//
// Parsing is strict, because a request that two parsers read differently is how
// a signature, a policy and an audit record come to disagree: duplicate and
// case-twin names, bad escapes, invalid UTF-8, trailing data and over-long or
// over-deep bodies are refused, never repaired. Parameters that no member is
// named after are ignored, as AWS ignores them.
//
// The package is pure: no clock, no disk, no network. Which operation a request
// names, who sent it and where the answer goes is the endpoint's business;
// whether a value is acceptable is package constraint's.
package protocol
