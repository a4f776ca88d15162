package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/internal/paging"
)

// The form that the AWS CLI prints: the members in the order of the API's model,
// documents as objects, times in ISO 8601.
type (
	instant time.Time

	documentOf struct {
		PolicyName     *string         `json:"PolicyName,omitempty"`
		PolicyDocument json.RawMessage `json:"PolicyDocument,omitempty"`
	}
	boundaryOf struct {
		PermissionsBoundaryType types.PermissionsBoundaryAttachmentType `json:"PermissionsBoundaryType,omitempty"`
		PermissionsBoundaryArn  *string                                 `json:"PermissionsBoundaryArn,omitempty"`
	}
	attachedOf struct {
		PolicyName *string `json:"PolicyName,omitempty"`
		PolicyArn  *string `json:"PolicyArn,omitempty"`
	}
	tagOf struct {
		Key   *string `json:"Key,omitempty"`
		Value *string `json:"Value,omitempty"`
	}
	lastUsedOf struct {
		LastUsedDate *instant `json:"LastUsedDate,omitempty"`
		Region       *string  `json:"Region,omitempty"`
	}
	userOf struct {
		Path                    *string      `json:"Path,omitempty"`
		UserName                *string      `json:"UserName,omitempty"`
		UserID                  *string      `json:"UserId,omitempty"`
		ARN                     *string      `json:"Arn,omitempty"`
		CreateDate              *instant     `json:"CreateDate,omitempty"`
		UserPolicyList          []documentOf `json:"UserPolicyList,omitzero"`
		GroupList               []string     `json:"GroupList,omitzero"`
		AttachedManagedPolicies []attachedOf `json:"AttachedManagedPolicies,omitzero"`
		PermissionsBoundary     *boundaryOf  `json:"PermissionsBoundary,omitempty"`
		Tags                    []tagOf      `json:"Tags,omitzero"`
	}
	groupOf struct {
		Path                    *string      `json:"Path,omitempty"`
		GroupName               *string      `json:"GroupName,omitempty"`
		GroupID                 *string      `json:"GroupId,omitempty"`
		ARN                     *string      `json:"Arn,omitempty"`
		CreateDate              *instant     `json:"CreateDate,omitempty"`
		GroupPolicyList         []documentOf `json:"GroupPolicyList,omitzero"`
		AttachedManagedPolicies []attachedOf `json:"AttachedManagedPolicies,omitzero"`
	}
	roleOf struct {
		Path                     *string         `json:"Path,omitempty"`
		RoleName                 *string         `json:"RoleName,omitempty"`
		RoleID                   *string         `json:"RoleId,omitempty"`
		ARN                      *string         `json:"Arn,omitempty"`
		CreateDate               *instant        `json:"CreateDate,omitempty"`
		AssumeRolePolicyDocument json.RawMessage `json:"AssumeRolePolicyDocument,omitempty"`
		InstanceProfileList      []profileOf     `json:"InstanceProfileList,omitzero"`
		RolePolicyList           []documentOf    `json:"RolePolicyList,omitzero"`
		AttachedManagedPolicies  []attachedOf    `json:"AttachedManagedPolicies,omitzero"`
		PermissionsBoundary      *boundaryOf     `json:"PermissionsBoundary,omitempty"`
		Tags                     []tagOf         `json:"Tags,omitzero"`
		RoleLastUsed             *lastUsedOf     `json:"RoleLastUsed,omitempty"`
	}
	profileOf struct {
		Path                *string      `json:"Path,omitempty"`
		InstanceProfileName *string      `json:"InstanceProfileName,omitempty"`
		InstanceProfileID   *string      `json:"InstanceProfileId,omitempty"`
		ARN                 *string      `json:"Arn,omitempty"`
		CreateDate          *instant     `json:"CreateDate,omitempty"`
		Roles               []roleInside `json:"Roles,omitzero"`
		Tags                []tagOf      `json:"Tags,omitzero"`
	}
	roleInside struct {
		Path                     *string         `json:"Path,omitempty"`
		RoleName                 *string         `json:"RoleName,omitempty"`
		RoleID                   *string         `json:"RoleId,omitempty"`
		ARN                      *string         `json:"Arn,omitempty"`
		CreateDate               *instant        `json:"CreateDate,omitempty"`
		AssumeRolePolicyDocument json.RawMessage `json:"AssumeRolePolicyDocument,omitempty"`
		Description              *string         `json:"Description,omitempty"`
		MaxSessionDuration       *int32          `json:"MaxSessionDuration,omitempty"`
		PermissionsBoundary      *boundaryOf     `json:"PermissionsBoundary,omitempty"`
		Tags                     []tagOf         `json:"Tags,omitzero"`
		RoleLastUsed             *lastUsedOf     `json:"RoleLastUsed,omitempty"`
	}
	policyOf struct {
		PolicyName                    *string     `json:"PolicyName,omitempty"`
		PolicyID                      *string     `json:"PolicyId,omitempty"`
		ARN                           *string     `json:"Arn,omitempty"`
		Path                          *string     `json:"Path,omitempty"`
		DefaultVersionID              *string     `json:"DefaultVersionId,omitempty"`
		AttachmentCount               *int32      `json:"AttachmentCount,omitempty"`
		PermissionsBoundaryUsageCount *int32      `json:"PermissionsBoundaryUsageCount,omitempty"`
		IsAttachable                  bool        `json:"IsAttachable"`
		Description                   *string     `json:"Description,omitempty"`
		CreateDate                    *instant    `json:"CreateDate,omitempty"`
		UpdateDate                    *instant    `json:"UpdateDate,omitempty"`
		PolicyVersionList             []versionOf `json:"PolicyVersionList,omitzero"`
	}
	versionOf struct {
		Document         json.RawMessage `json:"Document,omitempty"`
		VersionID        *string         `json:"VersionId,omitempty"`
		IsDefaultVersion bool            `json:"IsDefaultVersion"`
		CreateDate       *instant        `json:"CreateDate,omitempty"`
	}
)

func (t instant) MarshalText() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format("2006-01-02T15:04:05+00:00")), nil
}

// Export prints the account as `aws iam get-account-authorization-details` does, page by
// page. What is changed meanwhile may be in it or not.
func Export(ctx context.Context, client *iam.Client, out io.Writer) error {
	w := &writer{out: bufio.NewWriter(out)}
	w.text("{")
	for i, list := range []struct {
		name    string
		filter  []types.EntityType
		entries func(*iam.GetAccountAuthorizationDetailsOutput) []any
	}{
		{"UserDetailList", []types.EntityType{types.EntityTypeUser}, func(p *iam.GetAccountAuthorizationDetailsOutput) []any {
			return converted(p.UserDetailList, func(u *types.UserDetail) any {
				return userOf{u.Path, u.UserName, u.UserId, u.Arn, at(u.CreateDate), documents(w, u.UserPolicyList), u.GroupList, attached(u.AttachedManagedPolicies), boundary(u.PermissionsBoundary), tags(u.Tags)}
			})
		}},
		{"GroupDetailList", []types.EntityType{types.EntityTypeGroup}, func(p *iam.GetAccountAuthorizationDetailsOutput) []any {
			return converted(p.GroupDetailList, func(g *types.GroupDetail) any {
				return groupOf{g.Path, g.GroupName, g.GroupId, g.Arn, at(g.CreateDate), documents(w, g.GroupPolicyList), attached(g.AttachedManagedPolicies)}
			})
		}},
		{"RoleDetailList", []types.EntityType{types.EntityTypeRole}, func(p *iam.GetAccountAuthorizationDetailsOutput) []any {
			return converted(p.RoleDetailList, func(r *types.RoleDetail) any {
				return roleOf{
					r.Path, r.RoleName, r.RoleId, r.Arn, at(r.CreateDate), w.document(r.AssumeRolePolicyDocument), profiles(w, r.InstanceProfileList),
					documents(w, r.RolePolicyList), attached(r.AttachedManagedPolicies), boundary(r.PermissionsBoundary), tags(r.Tags), lastUsed(r.RoleLastUsed),
				}
			})
		}},
		{"Policies", []types.EntityType{types.EntityTypeLocalManagedPolicy, types.EntityTypeAWSManagedPolicy}, func(p *iam.GetAccountAuthorizationDetailsOutput) []any {
			return converted(p.Policies, func(p *types.ManagedPolicyDetail) any {
				return policyOf{
					p.PolicyName, p.PolicyId, p.Arn, p.Path, p.DefaultVersionId, p.AttachmentCount, p.PermissionsBoundaryUsageCount, p.IsAttachable,
					p.Description, at(p.CreateDate), at(p.UpdateDate), versions(w, p.PolicyVersionList),
				}
			})
		}},
	} {
		if i > 0 {
			w.text(",")
		}
		w.text("\n    \"" + list.name + "\": [")
		n := 0
		pages := paging.Of(client.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{Filter: list.filter, MaxItems: aws.Int32(1000)})
		for pages.HasMorePages() && w.err == nil {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, entry := range list.entries(page) {
				if n > 0 {
					w.text(",")
				}
				w.entry(entry)
				n++
			}
		}
		if n > 0 {
			w.text("\n    ")
		}
		w.text("]")
	}
	w.text("\n}\n")
	if w.err != nil {
		return w.err
	}
	return w.out.Flush()
}

// writer prints; its first error stays.
type writer struct {
	out *bufio.Writer
	err error
}

func (w *writer) text(s string) {
	if w.err == nil {
		_, w.err = w.out.WriteString(s)
	}
}

func (w *writer) entry(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("        ", "    ")
	if err := e.Encode(v); err != nil && w.err == nil {
		w.err = err
	}
	w.text("\n        " + string(bytes.TrimSpace(b.Bytes())))
}

// document is a policy document as JSON.
func (w *writer) document(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	decoded, err := url.PathUnescape(*text)
	if err == nil && !json.Valid([]byte(decoded)) {
		err = fmt.Errorf("a policy document is not JSON: %.100q", decoded)
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	return json.RawMessage(decoded)
}

// converted keeps nil and empty lists apart, as the CLI does.
func converted[T, U any](list []T, convert func(*T) U) []U {
	if list == nil {
		return nil
	}
	out := make([]U, len(list))
	for i := range list {
		out[i] = convert(&list[i])
	}
	return out
}

func at(t *time.Time) *instant { return (*instant)(t) }

func documents(w *writer, list []types.PolicyDetail) []documentOf {
	return converted(list, func(p *types.PolicyDetail) documentOf { return documentOf{p.PolicyName, w.document(p.PolicyDocument)} })
}

func versions(w *writer, list []types.PolicyVersion) []versionOf {
	return converted(list, func(v *types.PolicyVersion) versionOf {
		return versionOf{w.document(v.Document), v.VersionId, v.IsDefaultVersion, at(v.CreateDate)}
	})
}

func attached(list []types.AttachedPolicy) []attachedOf {
	return converted(list, func(p *types.AttachedPolicy) attachedOf { return attachedOf{p.PolicyName, p.PolicyArn} })
}

func tags(list []types.Tag) []tagOf {
	return converted(list, func(t *types.Tag) tagOf { return tagOf{t.Key, t.Value} })
}

func boundary(b *types.AttachedPermissionsBoundary) *boundaryOf {
	if b == nil {
		return nil
	}
	return &boundaryOf{b.PermissionsBoundaryType, b.PermissionsBoundaryArn}
}

func lastUsed(u *types.RoleLastUsed) *lastUsedOf {
	if u == nil {
		return nil
	}
	return &lastUsedOf{at(u.LastUsedDate), u.Region}
}

func profiles(w *writer, list []types.InstanceProfile) []profileOf {
	return converted(list, func(p *types.InstanceProfile) profileOf {
		roles := converted(p.Roles, func(r *types.Role) roleInside {
			return roleInside{
				r.Path, r.RoleName, r.RoleId, r.Arn, at(r.CreateDate), w.document(r.AssumeRolePolicyDocument), r.Description, r.MaxSessionDuration,
				boundary(r.PermissionsBoundary), tags(r.Tags), lastUsed(r.RoleLastUsed),
			}
		})
		return profileOf{p.Path, p.InstanceProfileName, p.InstanceProfileId, p.Arn, at(p.CreateDate), roles, tags(p.Tags)}
	})
}
