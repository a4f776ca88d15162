package main

import (
	"log"
	"maps"
)

// addition is an operation of the SDK that the public model at hand is too old for.
type addition struct {
	service, operation string
	input              string
	shapes             map[string]shape
	source             string
}

var additions = []addition{
	{
		service: "iam", operation: "AcquireRole", input: "AcquireRoleRequest",
		shapes: map[string]shape{
			"AcquireRoleRequest": {
				Members:  map[string]string{"TemplateArn": "arnType", "TemplateMinorVersion": "roleTemplateMinorVersionType", "ReplacementValues": "replacementValuesMapType"},
				Required: []string{"TemplateArn"},
			},
			"roleTemplateMinorVersionType": {Type: "integer"},
			"replacementValuesMapType":     {Map: []string{"replacementKeyType", "ReplacementValueEntry"}},
			"replacementKeyType":           {Type: "string"},
			"ReplacementValueEntry":        {Members: map[string]string{"Values": "replacementValueListType"}, Required: []string{"Values"}},
			"replacementValueListType":     {List: "replacementValueType"},
			"replacementValueType":         {Type: "string"},
		},
		source: "the SDK's types (service/iam v1.64): what is required; lengths and patterns are not known",
	},
	{
		service: "iam", operation: "GetRoleTemplateVersion", input: "GetRoleTemplateVersionRequest",
		shapes: map[string]shape{
			"GetRoleTemplateVersionRequest": {
				Members:  map[string]string{"TemplateArn": "arnType", "MinorVersion": "roleTemplateMinorVersionType"},
				Required: []string{"TemplateArn"},
			},
		},
		source: "as AcquireRole",
	},
	{
		service: "iam", operation: "GetAccountProperties",
		source: "IAM API Reference, GetAccountProperties",
	},
	{
		service: "iam", operation: "PutAccountProperties", input: "PutAccountPropertiesRequest",
		shapes: map[string]shape{
			"PutAccountPropertiesRequest": {
				Members:  map[string]string{"Properties": "accountPropertiesMapType"},
				Required: []string{"Properties"},
			},
			"accountPropertiesMapType": {Map: []string{"accountPropertyKeyType", "accountPropertyValueType"}},
			"accountPropertyKeyType":   {Type: "string", Min: new(int64(1)), Max: new(int64(50)), Pattern: "^[A-Za-z][A-Za-z0-9/_-]*$"},
			"accountPropertyValueType": {Type: "string", Min: new(int64(1)), Max: new(int64(1024))},
		},
		source: "IAM API Reference, PutAccountProperties",
	},
	{
		service: "signin", operation: "AuthorizeOAuth2Access", input: "AuthorizeOAuth2AccessRequest",
		shapes: map[string]shape{
			"AuthorizeOAuth2AccessRequest": {
				Members: map[string]string{"responseType": "ResponseType", "clientId": "ClientId", "redirectUri": "RedirectUri", "scope": "Scope",
					"state": "State", "codeChallenge": "CodeChallenge", "codeChallengeMethod": "CodeChallengeMethod"},
				Required: []string{"responseType", "clientId", "redirectUri", "scope", "state", "codeChallenge", "codeChallengeMethod"},
			},
			"ResponseType":        {Type: "string", Pattern: "code"},
			"Scope":               {Type: "string", Pattern: "openid"},
			"State":               {Type: "string", Min: new(int64(1)), Max: new(int64(512)), Pattern: "[!-~]+"},
			"CodeChallenge":       {Type: "string", Min: new(int64(43)), Max: new(int64(43)), Pattern: "[A-Za-z0-9_-]+"},
			"CodeChallengeMethod": {Type: "string", Pattern: "SHA-256"},
		},
		source: "AWS Sign-In API Reference, AuthorizeOAuth2Access; a challenge is as long as a SHA-256 digest is, and the state is bounded",
	},
	{
		service: "signin", operation: "GetSigninToken", input: "GetSigninTokenRequest",
		shapes: map[string]shape{
			"GetSigninTokenRequest": {
				Members:  map[string]string{"session": "SessionCredentials", "sessionDuration": "SessionDuration", "sessionType": "SessionType"},
				Required: []string{"session"},
			},
			"SessionCredentials": {Type: "string", Min: new(int64(1)), Max: new(int64(16384)), Sensitive: true},
			"SessionDuration":    {Type: "integer", Min: new(int64(900)), Max: new(int64(43200))},
			"SessionType":        {Type: "string", Pattern: "json"},
		},
		source: "IAM User Guide, Enable custom identity broker access to the AWS console",
	},
	{
		service: "signin", operation: "ConsoleLogin", input: "ConsoleLoginRequest",
		shapes: map[string]shape{
			"ConsoleLoginRequest": {
				Members:  map[string]string{"signinToken": "SigninToken", "issuer": "ConsoleURL", "destination": "ConsoleURL", "present": "ConsolePerson"},
				Required: []string{"signinToken", "destination"},
			},
			"SigninToken":   {Type: "string", Min: new(int64(1)), Max: new(int64(2048)), Sensitive: true},
			"ConsoleURL":    {Type: "string", Max: new(int64(2048))},
			"ConsolePerson": {Type: "string", Max: new(int64(256))},
		},
		source: "as GetSigninToken",
	},
}

// add adds the operations that the model of a service lacks.
func (m *model) add() {
	for _, a := range additions {
		if a.service != m.Service {
			continue
		}
		if _, known := m.Operations[a.operation]; known {
			log.Fatalf("%s: the model has %s now", a.service, a.operation)
		}
		m.Operations[a.operation] = operation{Input: a.input}
		maps.Copy(m.Shapes, a.shapes)
	}
}
