// Package sigv4 verifies and makes AWS Signature Version 4 signatures, in the
// header form (Authorization) and in the presigned form (X-Amz-Signature).
//
// A server calls [Parse] to learn who claims to be calling, looks that access
// key up, and calls [Verifier.Verify]. A client fills a [Signer]. Every refusal
// is an [*Error], which knows its code, status and text in each AWS protocol.
//
// The package is pure: it reads no clock, network or file, and `now` is always
// a parameter. It works on the request as it came over the wire, since a
// signature covers bytes and not what a router made of them.
//
// Left to others: finding the secret of an access key and whether the key may
// still be used; that a session token belongs to the access key (the token is
// handed out as [Authorization.SecurityToken], and is always covered by the
// signature); refusing malformed HTTP before net/http repairs it; chunk
// signatures of streamed S3 uploads; replays inside the permitted time window,
// which AWS accepts too.
//
// The rules are those of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html.
package sigv4
