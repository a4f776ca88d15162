package main

import "log"

// override changes a shape: what the service enforces, or holds secret, although
// the public model does not say so.
type override struct {
	service, shape string
	change         func(*shape)
	source         string
}

var overrides = []override{
	{
		service: "iam", shape: "virtualMFADeviceName",
		change: func(s *shape) { s.Max = new(int64(226)) },
		source: "the longest name whose serial number, an ARN, fits the 256 characters that serialNumberType allows",
	},
	{
		service: "iam", shape: "authenticationCodeType",
		change: func(s *shape) { s.Sensitive = true },
		source: "one-time codes are secrets: a code that was refused may still be valid for half a minute",
	},
	{
		service: "sts", shape: "tokenCodeType",
		change: func(s *shape) { s.Sensitive = true },
		source: "as authenticationCodeType",
	},
	{
		service: "signin", shape: "AuthorizationCode",
		change: func(s *shape) { s.Sensitive = true },
		source: "a code that was refused may still be good",
	},
	{
		service: "signin", shape: "CodeVerifier",
		change: func(s *shape) { s.Sensitive = true },
		source: "as AuthorizationCode",
	},
}

// override applies the overrides of the model's service.
func (m *model) override() {
	for _, o := range overrides {
		if o.service != m.Service {
			continue
		}
		s, ok := m.Shapes[o.shape]
		if !ok {
			log.Fatalf("%s: no shape %s to override", o.service, o.shape)
		}
		o.change(&s)
		m.Shapes[o.shape] = s
	}
}
