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
