package audit

import (
	"encoding/json"
	"strconv"
	"time"
)

// The sources of events that are treated apart.
const (
	sourceIAM    = "iam.amazonaws.com"
	sourceSTS    = "sts.amazonaws.com"
	sourceSignIn = "signin.amazonaws.com"
)

// Limits of a record's fields (CloudTrail User Guide, "CloudTrail record contents").
// They keep a record, with its companion, below what a store takes.
const (
	maxText       = 1 << 10   // userAgent, errorCode, errorMessage, requestID
	maxName       = 2 << 10   // every other text; the longest is an ARN
	maxBody       = 100 << 10 // requestParameters and responseElements, each
	maxAdditional = 28 << 10  // additionalEventData
	maxResources  = 20        // entries of resources; ours
	maxTrace      = 256 << 10 // trace of a denial; ours
)

// AppendRecord appends the event as a CloudTrail record: one JSON object on one
// line, whatever the bytes in it.
func (e *Event) AppendRecord(dst []byte) []byte {
	dst = append(dst, `{"eventVersion":"`...)
	dst = append(dst, eventVersion(e.Source)...)
	dst = append(dst, `","userIdentity":`...)
	dst = e.Identity.append(dst)
	dst = append(dst, `,"eventTime":"`...)
	dst = e.Time.UTC().AppendFormat(dst, time.RFC3339)
	dst = append(dst, `","eventSource":`...)
	dst = appendText(dst, e.Source, maxName)
	dst = append(dst, `,"eventName":`...)
	dst = appendText(dst, e.Name, maxName)
	dst = append(dst, `,"awsRegion":`...)
	dst = appendText(dst, e.Region, maxName)
	dst = append(dst, `,"sourceIPAddress":`...)
	dst = appendText(dst, e.SourceIP, maxName)
	dst = optional(dst, `,"userAgent":`, e.UserAgent, maxText)
	dst = optional(dst, `,"errorCode":`, e.ErrorCode, maxText)
	dst = optional(dst, `,"errorMessage":`, e.ErrorMessage, maxText)
	dst = append(dst, `,"requestParameters":`...)
	dst = appendBody(dst, e.request, "requestParameters")
	dst = append(dst, `,"responseElements":`...)
	dst = appendBody(dst, e.response, "responseElements")
	if len(e.Additional) > 0 && json.Valid(e.Additional) {
		dst = append(dst, `,"additionalEventData":`...)
		start := len(dst)
		if dst = appendValid(dst, e.Additional); len(dst)-start > maxAdditional {
			dst = appendOmitted(dst[:start], "additionalEventData", len(e.Additional))
		}
	}
	dst = optional(dst, `,"requestID":`, e.RequestID, maxText)
	dst = append(dst, `,"eventID":`...)
	dst = appendText(dst, e.ID, maxName)
	dst = append(dst, `,"readOnly":`...)
	dst = strconv.AppendBool(dst, e.ReadOnly)
	dst = e.appendResources(dst)
	dst = append(dst, `,"eventType":`...)
	if e.Type == "" {
		dst = append(dst, `"AwsApiCall"`...)
	} else {
		dst = appendText(dst, e.Type, maxName)
	}
	dst = append(dst, `,"managementEvent":true,"recipientAccountId":`...)
	dst = appendText(dst, string(e.Account), maxName)
	dst = optional(dst, `,"sharedEventID":`, e.SharedID, maxName)
	dst = append(dst, `,"eventCategory":"Management"`...)
	if e.FromConsole {
		dst = append(dst, `,"sessionCredentialFromConsole":"true"`...)
	}
	if t := e.TLS; t != nil {
		dst = append(dst, `,"tlsDetails":{"tlsVersion":`...)
		dst = appendText(dst, t.Version, maxText)
		dst = append(dst, `,"cipherSuite":`...)
		dst = appendText(dst, t.CipherSuite, maxText)
		dst = optional(dst, `,"clientProvidedHostHeader":`, t.HostHeader, maxText)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// eventVersion is the version of the record format; each service has its own.
func eventVersion(source string) string {
	switch source {
	case sourceSTS, sourceSignIn:
		return "1.08"
	case sourceIAM:
		return "1.09"
	}
	return "1.11"
}

func optional(dst []byte, key, value string, limit int) []byte {
	if value == "" {
		return dst
	}
	return appendText(append(dst, key...), value, limit)
}

// appendBody writes what SetRequest or SetResponse made.
func appendBody(dst, body []byte, field string) []byte {
	switch {
	case body == nil:
		return append(dst, "null"...)
	case len(body) > maxBody:
		return appendOmitted(dst, field, len(body))
	}
	return append(dst, body...)
}

// appendOmitted writes what AWS puts in the place of a value that is too large.
func appendOmitted(dst []byte, field string, size int) []byte {
	dst = append(dst, `{"omitted":true,"originalSize":`...)
	dst = strconv.AppendInt(dst, int64(size), 10)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, field...)
	return append(dst, ` too large"}`...)
}

func (e *Event) appendResources(dst []byte) []byte {
	if len(e.Resources) == 0 {
		return dst
	}
	dst = append(dst, `,"resources":[`...)
	for i, r := range e.Resources[:min(len(e.Resources), maxResources)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"ARN":`...)
		dst = appendText(dst, r.ARN, maxName)
		dst = optional(dst, `,"accountId":`, string(r.AccountID), maxName)
		dst = optional(dst, `,"type":`, r.Type, maxName)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func (u *UserIdentity) append(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendText(dst, u.Type, maxName)
	dst = optional(dst, `,"principalId":`, u.PrincipalID, maxName)
	dst = optional(dst, `,"arn":`, u.ARN, maxName)
	dst = optional(dst, `,"accountId":`, u.AccountID, maxName)
	dst = optional(dst, `,"accessKeyId":`, u.AccessKeyID, maxName)
	if u.NoAccessKey {
		dst = append(dst, `,"accessKeyId":""`...)
	}
	dst = optional(dst, `,"userName":`, u.UserName, maxName)
	if s := u.Session; s != nil {
		dst = append(dst, `,"sessionContext":{`...)
		if i := s.Issuer; i != nil {
			dst = append(dst, `"sessionIssuer":{"type":`...)
			dst = appendText(dst, i.Type, maxName)
			dst = append(dst, `,"principalId":`...)
			dst = appendText(dst, i.PrincipalID, maxName)
			dst = append(dst, `,"arn":`...)
			dst = appendText(dst, i.ARN, maxName)
			dst = append(dst, `,"accountId":`...)
			dst = appendText(dst, i.AccountID, maxName)
			dst = optional(dst, `,"userName":`, i.UserName, maxName)
			dst = append(dst, `},`...)
		}
		if s.WebIdentity != nil {
			dst = append(dst, `"webIdFederationData":{},`...)
		}
		dst = append(dst, `"attributes":{"creationDate":`...)
		dst = appendText(dst, s.Attributes.CreationDate, maxName)
		dst = append(dst, `,"mfaAuthenticated":`...)
		dst = appendText(dst, s.Attributes.MFAAuthenticated, maxName)
		dst = append(dst, '}')
		dst = optional(dst, `,"sourceIdentity":`, s.SourceIdentity, maxName)
		dst = optional(dst, `,"signInSessionArn":`, s.SignInSession, maxName)
		dst = append(dst, '}')
	}
	dst = optional(dst, `,"invokedBy":`, u.InvokedBy, maxName)
	return append(dst, '}')
}
