package authz

import (
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/session"
)

// Permitted refuses what a kind of temporary credentials may never call, whatever
// the policies say (IAM User Guide, "Compare AWS STS credentials"):
//
//   - GetSessionToken: no IAM operation unless the session has MFA; of STS only
//     AssumeRole and GetCallerIdentity.
//   - GetFederationToken: no IAM operation; of STS only GetCallerIdentity. In the console
//     such a session may use IAM, as AWS has it.
//   - A person's own session in the console, or by `aws login`: everything that their long-term credentials
//     may, but for GetFederationToken and GetSessionToken.
//   - Role sessions: neither GetFederationToken nor GetSessionToken; these two
//     refuse by themselves, with a sentence of their own.
//
// service and operation are as on the wire: "iam", "CreateUser".
func Permitted(p *authn.Principal, service, operation string) error {
	if p.Session == nil {
		return nil
	}
	if p.Session.Console || p.Session.SignIn != "" {
		return nil
	}
	switch p.Session.Kind {
	case session.User, session.Root:
		switch {
		case service == "iam" && !p.MFA:
			// AWS answers as if the token were no token at all.
			return &smithy.GenericAPIError{Code: "InvalidClientTokenId", Fault: smithy.FaultClient,
				Message: "The security token included in the request is invalid"}
		case service == "sts":
			switch operation {
			case "AssumeRole", "GetCallerIdentity", "GetSessionToken", "GetFederationToken":
				return nil
			}
			return denied(operation)
		}
	case session.Federated:
		switch {
		case service == "iam":
			return &smithy.GenericAPIError{Code: "InvalidClientTokenId", Fault: smithy.FaultClient,
				Message: "The security token included in the request is invalid"}
		case service == "sts":
			switch operation {
			case "GetCallerIdentity", "GetSessionToken", "GetFederationToken":
				return nil
			}
			return denied(operation)
		}
	}
	return nil
}

func denied(operation string) error {
	return &smithy.GenericAPIError{Code: "AccessDenied", Fault: smithy.FaultClient,
		Message: "Cannot call " + operation + " with session credentials"}
}
