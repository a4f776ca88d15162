package awsmanaged

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
)

// The services that have a service-linked role, a line each: service principal, name
// of the role, its managed policy, and whether a role may be made for each of several
// suffixes.
//
//go:embed servicelinked.tsv
var serviceLinked string

// ServiceLinkedRole is what a service's linked role has to be: the service defines it,
// and customers can only make and delete it.
type ServiceLinkedRole struct {
	Service string // "ecs.amazonaws.com"
	Name    string // "AWSServiceRoleForECS"
	Policy  *Policy
	// Suffix tells whether a custom suffix may be added to the name.
	Suffix bool
}

// Path is the path of the role, which only the service's own role has.
func (r *ServiceLinkedRole) Path() string { return arn.ServiceLinkedPath + r.Service + "/" }

// TrustPolicy is the trust policy of the role: it names the service and nobody else.
func (r *ServiceLinkedRole) TrustPolicy() string {
	return `{"Version":"2012-10-17","Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["` + r.Service + `"]}}]}`
}

// ServiceLinkedRole finds the linked role of a service by its principal, which is
// compared exactly.
func (c *Catalogue) ServiceLinkedRole(service string) (*ServiceLinkedRole, bool) {
	r, ok := c.linked[service]
	return r, ok
}

// readServiceLinked reads the table of service-linked roles; the policies are there.
func (c *Catalogue) readServiceLinked(table string) error {
	c.linked = make(map[string]*ServiceLinkedRole)
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	for _, line := range lines[1:] {
		f := strings.Split(line, "\t")
		if len(f) != 4 || f[3] != "yes" && f[3] != "no" {
			return fmt.Errorf("service-linked roles: %q is not a service, a role, a policy and yes or no", line)
		}
		p, ok := c.byPlace[arn.ServiceLinkedPath+f[2]]
		if !ok {
			return fmt.Errorf("service-linked roles: there is no policy %s", f[2])
		}
		if _, twice := c.linked[f[0]]; twice {
			return fmt.Errorf("service-linked roles: %s is there twice", f[0])
		}
		c.linked[f[0]] = &ServiceLinkedRole{Service: f[0], Name: f[1], Policy: p, Suffix: f[3] == "yes"}
	}
	return nil
}
