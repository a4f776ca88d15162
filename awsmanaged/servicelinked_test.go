package awsmanaged

import (
	"strings"
	"testing"
)

func TestServiceLinkedRoles(t *testing.T) {
	c := catalogue(t)
	if len(c.linked) < 71 {
		t.Errorf("%d services", len(c.linked))
	}
	names, suffixes := map[string]string{}, 0
	for service, r := range c.linked {
		if other, twice := names[r.Name]; twice {
			t.Errorf("%s and %s have the same role", service, other)
		}
		names[r.Name] = service
		if !strings.HasPrefix(r.Name, "AWSServiceRoleFor") || !strings.HasSuffix(service, ".amazonaws.com") || len(r.Name) > 64 {
			t.Errorf("%s has the role %s", service, r.Name)
		}
		if r.Policy.Attachable() {
			t.Errorf("%s: customers may attach %s", service, r.Policy.Name)
		}
		if r.Suffix {
			suffixes++
		}
	}
	if suffixes != 3 {
		t.Errorf("%d services allow a suffix", suffixes)
	}
	ecs, ok := c.ServiceLinkedRole("ecs.amazonaws.com")
	if !ok || ecs.Path()+ecs.Name != "/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" || ecs.Policy.Name != "AmazonECSServiceRolePolicy" {
		t.Errorf("ECS has %+v", ecs)
	}
	if _, ok := c.ServiceLinkedRole("ECS.amazonaws.com"); ok {
		t.Error("service principals are compared without regard to case")
	}
}

func TestServiceLinkedRolesRefuseABadTable(t *testing.T) {
	c := catalogue(t)
	const good = "ecs.amazonaws.com\tAWSServiceRoleForECS\tAmazonECSServiceRolePolicy\tno\n"
	for what, lines := range map[string]string{
		"a line too short":   "ecs.amazonaws.com\n",
		"an unknown policy":  strings.Replace(good, "AmazonECS", "None", 1),
		"an unknown word":    strings.Replace(good, "no\n", "maybe\n", 1),
		"one service, twice": good + good,
	} {
		if c.readServiceLinked("header\n"+lines) == nil {
			t.Errorf("%s was read", what)
		}
	}
}
