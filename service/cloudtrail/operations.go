package cloudtrail

import (
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/service"
)

// Operations is the service as the pipeline sees it.
func (s *Service) Operations() service.Set {
	return service.Set{
		SigningName:  "cloudtrail",
		EventSource:  "cloudtrail.amazonaws.com",
		ActionPrefix: "cloudtrail",
		Version:      "2013-11-01",
		TargetPrefixes: []string{
			"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
			"CloudTrail_20131101",
		},
		Operations: []service.Operation{
			service.Op("LookupEvents", service.Read, s.LookupEvents, anything,
				service.ValidatedBy(validateLookup),
				service.Before(s.sync)),
		},
		NotYet: []string{
			"AddTags", "CancelQuery", "CreateChannel", "CreateDashboard", "CreateEventDataStore", "CreateTrail",
			"DeleteChannel", "DeleteDashboard", "DeleteEventDataStore", "DeleteResourcePolicy", "DeleteTrail",
			"DeregisterOrganizationDelegatedAdmin", "DescribeQuery", "DescribeTrails", "DisableFederation",
			"EnableFederation", "GenerateQuery", "GetChannel", "GetDashboard", "GetEventConfiguration",
			"GetEventDataStore", "GetEventSelectors", "GetImport", "GetInsightSelectors", "GetQueryResults",
			"GetResourcePolicy", "GetTrail", "GetTrailStatus", "ListChannels", "ListDashboards",
			"ListEventDataStores", "ListImportFailures", "ListImports", "ListInsightsData",
			"ListInsightsMetricData", "ListPublicKeys", "ListQueries", "ListTags", "ListTrails",
			"PutEventConfiguration", "PutEventSelectors", "PutInsightSelectors", "PutResourcePolicy",
			"RegisterOrganizationDelegatedAdmin", "RemoveTags", "RestoreEventDataStore", "SearchSampleQueries",
			"StartDashboardRefresh", "StartEventDataStoreIngestion", "StartImport", "StartLogging", "StartQuery",
			"StopEventDataStoreIngestion", "StopImport", "StopLogging", "UpdateChannel", "UpdateDashboard",
			"UpdateEventDataStore", "UpdateTrail",
		},
	}
}

// anything is the check of operations that know no resources: their action on "*".
func anything(*service.Call, *cloudtrail.LookupEventsInput) ([]authz.Check, error) {
	return []authz.Check{authz.On("*")}, nil
}
