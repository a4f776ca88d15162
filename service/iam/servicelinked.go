package iam

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/uuid"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// How long the outcome of a deletion can be asked for, and of how many of an account:
// deleting and making a role again can be repeated without end.
const (
	deletionKept = 30 * 24 * time.Hour
	maxDeletions = 1000
)

// CreateServiceLinkedRole makes the role that an AWS service is linked to: name, path,
// trust policy and permissions are the service's. It is not held up by the quota of
// roles: an account that is full can still have these (IAM User Guide, "IAM and AWS
// STS quotas").
func (s *Service) CreateServiceLinkedRole(c *service.Call, in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
	linked, ok := s.managed.ServiceLinkedRole(*in.AWSServiceName)
	if !ok {
		return nil, invalidInput("Service principal %s is not one that has a service-linked role.", *in.AWSServiceName)
	}
	name := linked.Name
	if in.CustomSuffix != nil {
		if !linked.Suffix {
			return nil, invalidInput("Custom suffix is not allowed for %s", linked.Service)
		}
		name += "_" + *in.CustomSuffix
		if len(name) > maxRoleName {
			return nil, invalidInput("Service role name %s is longer than %d characters.", name, maxRoleName)
		}
	}
	if identity.Roles.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, invalidInput("Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	r := &identity.Role{
		Account: c.Scope.Account, Name: name, Path: linked.Path(), Created: second(c.Now),
		Description:        aws.ToString(in.Description),
		MaxSessionDuration: defaultSessionDuration,
		TrustPolicy:        linked.TrustPolicy(),
		Attached:           []string{linked.Policy.ARN(canonicalPartition)},
	}
	var err error
	if r.ID, err = enter(c, arn.PrefixRole, identity.TypeRole, name); err != nil {
		return nil, err
	}
	if err := putUse(c, roleBearer(r), r.Attached[0], identity.AsPermissions); err != nil {
		return nil, err
	}
	if err := identity.Roles.Put(c.Tx, r, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	if err := count(c, rolesCount, 1); err != nil {
		return nil, err
	}
	out, err := toRole(c, r)
	if err != nil {
		return nil, err
	}
	return &iam.CreateServiceLinkedRoleOutput{Role: out}, nil
}

// DeleteServiceLinkedRole deletes a service-linked role. AWS first asks the service
// whether it still uses the role; there is no service here to ask, and only one could
// have sessions of the role, so it is deleted at once.
func (s *Service) DeleteServiceLinkedRole(c *service.Call, in *iam.DeleteServiceLinkedRoleInput) (*iam.DeleteServiceLinkedRoleOutput, error) {
	r, err := findRole(c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if r.LinkedService() == "" {
		return nil, noSuchEntity("The service-linked role with name %s cannot be found.", *in.RoleName)
	}
	id, err := uuid.NewRandomFromReader(c.Rand)
	if err != nil {
		return nil, err
	}
	if err := forgetDeletions(c); err != nil {
		return nil, err
	}
	task := deletionTask(r, id)
	if err := identity.RoleDeletions.Put(c.Tx, &identity.RoleDeletion{Deleted: c.Now}, c.Account(), task); err != nil {
		return nil, err
	}
	for _, key := range r.Attached {
		deleteUse(c, roleBearer(r), key, identity.AsPermissions)
	}
	return &iam.DeleteServiceLinkedRoleOutput{DeletionTaskId: &task}, dropRole(c, r)
}

// GetServiceLinkedRoleDeletionStatus tells how a deletion went.
func (s *Service) GetServiceLinkedRoleDeletionStatus(c *service.Call, in *iam.GetServiceLinkedRoleDeletionStatusInput) (*iam.GetServiceLinkedRoleDeletionStatusOutput, error) {
	if _, _, ok := parseDeletionTask(*in.DeletionTaskId); !ok {
		return nil, invalidInput("Deletion task id %s is not valid.", *in.DeletionTaskId)
	}
	_, err := identity.RoleDeletions.Get(c.Reader, c.Account(), *in.DeletionTaskId)
	if err != nil {
		return nil, orNoSuchEntity(err, "The deletion task with id %s cannot be found.", *in.DeletionTaskId)
	}
	return &iam.GetServiceLinkedRoleDeletionStatusOutput{Status: types.DeletionTaskStatusTypeSucceeded}, nil
}

// A deletion task id is "task/aws-service-role/SERVICE/ROLE/UUID".
const deletionTaskPrefix = "task" + arn.ServiceLinkedPath

func deletionTask(r *identity.Role, id uuid.UUID) string {
	return deletionTaskPrefix + r.LinkedService() + "/" + r.Name + "/" + id.String()
}

func parseDeletionTask(id string) (path, role string, ok bool) {
	rest, ok := strings.CutPrefix(id, deletionTaskPrefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 || parts[0] == "" || parts[1] == "" || uuid.Validate(parts[2]) != nil {
		return "", "", false
	}
	return arn.ServiceLinkedPath + parts[0] + "/", parts[1], true
}

// forgetDeletions drops the account's deletions that are too old to be asked for, and
// the oldest if there are too many for one more.
func forgetDeletions(c *service.Call) error {
	type deletion struct {
		task string
		at   time.Time
	}
	var kept []deletion
	var old []string
	err := identity.RoleDeletions.Scan(c.Reader, "", func(key store.Key, d *identity.RoleDeletion) bool {
		if c.Now.Sub(d.Deleted) > deletionKept {
			old = append(old, key.Last())
		} else {
			kept = append(kept, deletion{key.Last(), d.Deleted})
		}
		return true
	}, c.Account())
	if err != nil {
		return err
	}
	if len(kept) >= maxDeletions {
		oldest := slices.MinFunc(kept, func(a, b deletion) int { return a.at.Compare(b.at) })
		old = append(old, oldest.task)
	}
	for _, task := range old {
		identity.RoleDeletions.Delete(c.Tx, c.Account(), task)
	}
	return nil
}

// mayCreateServiceLinkedRole asks about the role that is to be, and for which service.
func (s *Service) mayCreateServiceLinkedRole(c *service.Call, in *iam.CreateServiceLinkedRoleInput) ([]authz.Check, error) {
	path, name := arn.ServiceLinkedPath+*in.AWSServiceName+"/", "AWSServiceRoleFor"
	if linked, ok := s.managed.ServiceLinkedRole(*in.AWSServiceName); ok {
		path, name = linked.Path(), linked.Name
	}
	if in.CustomSuffix != nil {
		name += "_" + *in.CustomSuffix
	}
	return []authz.Check{authz.On(c.Scope.Role(path, name)).With("iam:AWSServiceName", *in.AWSServiceName)}, nil
}

// mayDeleteServiceLinkedRole asks about the role, and for which service it is.
func mayDeleteServiceLinkedRole(c *service.Call, in *iam.DeleteServiceLinkedRoleInput) ([]authz.Check, error) {
	r, err := identity.FindRole(c.Reader, c.Scope.Account, *in.RoleName)
	if errors.Is(err, store.ErrNotFound) {
		return []authz.Check{authz.On(c.Scope.Role("/", *in.RoleName))}, nil
	}
	if err != nil {
		return nil, err
	}
	check := authz.On(r.ARN(c.Scope.Partition)).WithResourceTags(r.Tags)
	if linked := r.LinkedService(); linked != "" {
		check = check.With("iam:AWSServiceName", linked)
	}
	return []authz.Check{check}, nil
}

// mayGetServiceLinkedRoleDeletionStatus asks about the role that the task is to delete.
func mayGetServiceLinkedRoleDeletionStatus(c *service.Call, in *iam.GetServiceLinkedRoleDeletionStatusInput) ([]authz.Check, error) {
	path, role, ok := parseDeletionTask(*in.DeletionTaskId)
	if !ok {
		return []authz.Check{authz.On("*")}, nil
	}
	return []authz.Check{authz.On(c.Scope.Role(path, role))}, nil
}
