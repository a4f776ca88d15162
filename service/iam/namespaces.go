package iam

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed namespaces.txt
var namespaceList string

// namespace is a service of AWS as actions in policies name it.
type namespace struct {
	prefix string // "iam"
	name   string // "AWS Identity and Access Management"
}

// parseNamespaces reads namespaces.txt. The result is sorted by prefix.
func parseNamespaces(text string) ([]namespace, error) {
	var list []namespace
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		prefix, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || prefix == "" || name == "" {
			return nil, fmt.Errorf("list of services: bad line %q", line)
		}
		list = append(list, namespace{prefix, name})
	}
	if !slices.IsSortedFunc(list, func(a, b namespace) int { return strings.Compare(a.prefix, b.prefix) }) {
		return nil, fmt.Errorf("the list of services is not sorted")
	}
	return list, nil
}
