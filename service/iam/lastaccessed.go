package iam

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// GenerateServiceLastAccessedDetails begins a report on which services a user, group,
// role or managed policy may use, and when they were last used. There is nothing to
// wait for: the report is made when it is read.
func (s *Service) GenerateServiceLastAccessedDetails(c *service.Call, in *iam.GenerateServiceLastAccessedDetailsInput) (*iam.GenerateServiceLastAccessedDetailsOutput, error) {
	subject, err := s.subjectOf(c, *in.Arn)
	if err != nil {
		return nil, orNoSuchEntity(err, "%s cannot be found.", *in.Arn)
	}
	about, err := subject.inJob()
	if err != nil {
		return nil, err
	}
	id, err := s.jobs.id(c.Principal, accessJob{
		about:   about,
		actions: in.Granularity == types.AccessAdvisorUsageGranularityTypeActionLevel,
		created: c.Now,
	})
	if err != nil {
		return nil, err
	}
	return &iam.GenerateServiceLastAccessedDetailsOutput{JobId: &id}, nil
}

// GetServiceLastAccessedDetails lists the services that the subject of a report may
// use, by namespace.
func (s *Service) GetServiceLastAccessedDetails(c *service.Call, in *iam.GetServiceLastAccessedDetailsInput) (*iam.GetServiceLastAccessedDetailsOutput, error) {
	job, subject, err := s.findJob(c, *in.JobId)
	if err != nil {
		return nil, err
	}
	permissions, err := s.permissionsOf(c, subject)
	if err != nil {
		return nil, err
	}
	used, err := s.usedBy(c, subject)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.ServiceLastAccessed) bool) error {
		for _, n := range s.namespaces {
			if n.prefix <= after || !permissions.AllowsService(n.prefix) {
				continue
			}
			entry, err := s.lastAccessed(c, n, used[n.prefix])
			if err != nil {
				return err
			}
			if job.actions {
				if entry.TrackedActionsLastAccessed, err = s.trackedActions(c, n, permissions, used[n.prefix]); err != nil {
					return err
				}
			}
			if !yield(n.prefix, entry) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &iam.GetServiceLastAccessedDetailsOutput{
		JobStatus: types.JobStatusTypeCompleted, JobCreationDate: shown(job.created), JobCompletionDate: shown(job.created),
		JobType:              types.AccessAdvisorUsageGranularityTypeServiceLevel,
		ServicesLastAccessed: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker,
	}
	if job.actions {
		out.JobType = types.AccessAdvisorUsageGranularityTypeActionLevel
	}
	return out, nil
}

// GetServiceLastAccessedDetailsWithEntities lists the users and roles who could use a
// service by what the subject of a report permits, those first who used it last.
func (s *Service) GetServiceLastAccessedDetailsWithEntities(c *service.Call, in *iam.GetServiceLastAccessedDetailsWithEntitiesInput) (*iam.GetServiceLastAccessedDetailsWithEntitiesOutput, error) {
	job, subject, err := s.findJob(c, *in.JobId)
	if err != nil {
		return nil, err
	}
	permissions, err := s.permissionsOf(c, subject)
	if err != nil {
		return nil, err
	}
	type actor struct {
		id, cursor string
		at         time.Time
	}
	var actors []actor
	if permissions.AllowsService(*in.ServiceNamespace) {
		err := s.actorsOf(c, subject, func(id string) error {
			activity, err := orZero(identity.Activities.Get(c.Reader, id, *in.ServiceNamespace))
			if err != nil {
				return err
			}
			a := actor{id: id}
			if tracked(c, activity.At) {
				a.at = activity.At
			}
			actors = append(actors, a)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.EntityDetails) bool) error {
		began, err := pagesBegan(c, after)
		if err != nil {
			return err
		}
		for i := range actors {
			a := &actors[i]
			a.cursor = entityCursor(began, after != "" && !a.at.Before(began), a.at, a.id)
		}
		slices.SortFunc(actors, func(a, b actor) int { return strings.Compare(a.cursor, b.cursor) })
		for _, a := range actors {
			if a.cursor <= after {
				continue
			}
			who, err := actorByID(c, a.id)
			if err != nil {
				return err
			}
			info := &types.EntityInfo{Arn: aws.String(who.arn(c.Scope)), Id: &who.id, Name: &who.name, Path: &who.path, Type: types.PolicyOwnerEntityTypeUser}
			if who.kind == identity.TypeRole {
				info.Type = types.PolicyOwnerEntityTypeRole
			}
			if !yield(a.cursor, types.EntityDetails{EntityInfo: info, LastAuthenticated: shown(a.at)}) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.GetServiceLastAccessedDetailsWithEntitiesOutput{
		JobStatus: types.JobStatusTypeCompleted, JobCreationDate: shown(job.created), JobCompletionDate: shown(job.created),
		EntityDetailsList: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker,
	}, nil
}

// entityCursor puts entities in order: the latest first, and those who never did last.
// Who calls while the pages are read comes behind all others, so that nobody moves to a
// page that was read already; whoever was on one before is told again.
func entityCursor(began time.Time, meanwhile bool, at time.Time, id string) string {
	const never = 1 << 62
	place := uint64(never - max(0, at.Unix()))
	if meanwhile {
		place = never + 1
	}
	return fmt.Sprintf("%011d/%016x/%s", began.Unix(), place, id)
}

// pagesBegan is when the first page was read, as the cursors of an entityCursor say.
func pagesBegan(c *service.Call, after string) (time.Time, error) {
	if after == "" {
		return second(c.Now), nil
	}
	began, _, _ := strings.Cut(after, "/")
	seconds, err := strconv.ParseInt(began, 10, 64)
	return time.Unix(seconds, 0), err
}

// subject is what a report is about: a user, group or role, or a managed policy.
type subject struct {
	id     string
	bearer *bearer        // nil for a policy
	policy *managedPolicy // nil for others
}

// subjectOf finds the subject with an ARN, which has to be exact. The error is
// store.ErrNotFound if there is none.
func (s *Service) subjectOf(c *service.Call, text string) (*subject, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return nil, invalidInput("ARN %s is not valid.", text)
	}
	kind, _, name := a.Split()
	switch entity := identity.EntityType(kind); {
	case a.Service != "iam" || a.Region != "" || name == "":
	case entity == identity.TypePolicy:
		m, err := s.lookUpManaged(c, text)
		if err != nil {
			return nil, err
		}
		return &subject{id: m.id, policy: m}, nil
	case entity == identity.TypeUser || entity == identity.TypeGroup || entity == identity.TypeRole:
		b, err := lookUpBearer(c, entity, name)
		if err != nil {
			return nil, err
		}
		if b.arn(c.Scope) != text { // another account, path or case
			return nil, store.ErrNotFound
		}
		return &subject{id: b.id, bearer: b}, nil
	}
	return nil, invalidInput("ARN %s is not that of a user, group, role or policy.", text)
}

// findJob reads a job's id and finds its subject.
func (s *Service) findJob(c *service.Call, id string) (accessJob, *subject, error) {
	job, err := s.jobs.open(c.Principal, id, c.Now)
	if err != nil {
		return accessJob{}, nil, noSuchJob(id)
	}
	found, err := s.subjectOfJob(c, job.about)
	if errors.Is(err, store.ErrNotFound) {
		err = noSuchJob(id)
	}
	return job, found, err
}

func noSuchJob(id string) error { return noSuchEntity("The job with id %s cannot be found.", id) }

// inJob stands for the subject in the id of a job.
func (s *subject) inJob() (jobSubject, error) {
	if s.policy != nil && s.policy.byAWS() {
		return onAWSPolicy(s.policy.key), nil
	}
	return onUniqueID(s.id)
}

// subjectOfJob finds the subject again, or returns store.ErrNotFound.
func (s *Service) subjectOfJob(c *service.Call, about jobSubject) (*subject, error) {
	id, ok := about.uniqueID()
	if !ok {
		policies, err := identity.ManagedAfter(c.Reader, s.managed, "")
		if err != nil {
			return nil, err
		}
		for p := range policies {
			if onAWSPolicy(p.ARN(canonicalPartition)) == about {
				m := awsManaged(p, c.Scope.Partition)
				return &subject{id: m.id, policy: m}, nil
			}
		}
		return nil, store.ErrNotFound
	}
	entity, err := identity.Entities.Get(c.Reader, id)
	if err != nil {
		return nil, err
	}
	if entity.Account != c.Scope.Account {
		return nil, store.ErrNotFound
	}
	if entity.Type != identity.TypePolicy {
		b, err := lookUpBearer(c, entity.Type, entity.Name)
		return &subject{id: id, bearer: b}, err
	}
	p, err := identity.Policies.Get(c.Reader, c.Account(), entity.Name)
	if err != nil {
		return nil, err
	}
	return &subject{id: id, policy: customerManaged(p, c.Scope.Partition)}, nil
}

// permissionsOf are the permissions policies of a subject; a user's with those of the
// groups. Boundaries and the like are not looked at (IAM API,
// GenerateServiceLastAccessedDetails).
func (s *Service) permissionsOf(c *service.Call, of *subject) (*policy.Set, error) {
	if of.bearer != nil {
		own, err := s.authz.PoliciesOf(c.Reader, of.id)
		if err != nil {
			return nil, err
		}
		return policy.NewSet(own.Identity), nil
	}
	text := of.policy.defaultVersion().document
	if of.policy.byAWS() { // which is shown with more white space than a policy may have
		p, err := identity.FindManaged(c.Reader, s.managed, of.policy.key)
		if err != nil {
			return nil, err
		}
		text = p.DefaultDocument()
	}
	doc, err := policy.Parse(text, policy.ManagedPolicy)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", of.policy.key, err)
	}
	return policy.NewSet([]policy.Attached{{Document: doc}}), nil
}

// actorsOf yields the unique ids of the users and roles who act by what a subject
// permits, each once.
func (s *Service) actorsOf(c *service.Call, of *subject, yield func(id string) error) error {
	if of.bearer != nil {
		if of.bearer.kind == identity.TypeGroup {
			return membersOf(c, of.id, yield)
		}
		return yield(of.id)
	}
	seen := make(map[string]bool)
	once := func(id string) error {
		if seen[id] {
			return nil
		}
		seen[id] = true
		return yield(id)
	}
	var failed error
	err := scanUses(c, of.policy.key, "", func(u use) bool {
		switch {
		case u.usage != identity.AsPermissions:
		case u.kind == identity.TypeGroup:
			failed = membersOf(c, u.id, once)
		default:
			failed = once(u.id)
		}
		return failed == nil
	})
	return cmp.Or(failed, err)
}

func membersOf(c *service.Call, group string, yield func(id string) error) error {
	var failed error
	err := identity.Members.Scan(c.Reader, "", func(_ store.Key, m *identity.Member) bool {
		failed = yield(m.UserID)
		return failed == nil
	}, c.Account(), group)
	return cmp.Or(failed, err)
}

func actorByID(c *service.Call, id string) (*bearer, error) {
	entity, err := identity.Entities.Get(c.Reader, id)
	if err != nil {
		return nil, fmt.Errorf("who has %s: %v", id, err)
	}
	return lookUpBearer(c, entity.Type, entity.Name)
}

// lastCall is when something was last called, and by whom.
type lastCall struct {
	at     time.Time
	region string
	actor  string // unique id
}

// later takes a call if it is the later one. Of two in the same second the smaller id
// counts, so that two readings say the same.
func (l *lastCall) later(at time.Time, region, actor string) {
	if at.After(l.at) || at.Equal(l.at) && actor < l.actor {
		*l = lastCall{at, region, actor}
	}
}

// serviceUse is how the actors of a subject used a service.
type serviceUse struct {
	lastCall
	actors  int32
	actions map[string]*lastCall
}

// usedBy collects what the actors of a subject used, by namespace. Its size does not
// depend on how many they are.
func (s *Service) usedBy(c *service.Call, of *subject) (map[string]*serviceUse, error) {
	used := make(map[string]*serviceUse)
	err := s.actorsOf(c, of, func(id string) error {
		return identity.Activities.Scan(c.Reader, "", func(key store.Key, a *identity.Activity) bool {
			if !tracked(c, a.At) {
				return true
			}
			u := used[key.Last()]
			if u == nil {
				u = &serviceUse{actions: make(map[string]*lastCall)}
				used[key.Last()] = u
			}
			u.actors++
			u.later(a.At, a.Region, id)
			for _, action := range a.Actions {
				if !tracked(c, action.At) {
					continue
				}
				if u.actions[action.Name] == nil {
					u.actions[action.Name] = new(lastCall)
				}
				u.actions[action.Name].later(action.At, action.Region, id)
			}
			return true
		}, id)
	})
	return used, err
}

// tracked tells whether a time lies in the tracking period.
func tracked(c *service.Call, at time.Time) bool {
	return !at.IsZero() && c.Now.Sub(at) <= lastUsedWindow
}

func (s *Service) lastAccessed(c *service.Call, n namespace, used *serviceUse) (types.ServiceLastAccessed, error) {
	out := types.ServiceLastAccessed{ServiceName: aws.String(n.name), ServiceNamespace: aws.String(n.prefix), TotalAuthenticatedEntities: aws.Int32(0)}
	if used == nil {
		return out, nil
	}
	who, err := actorByID(c, used.actor)
	if err != nil {
		return out, err
	}
	out.LastAuthenticated, out.LastAuthenticatedRegion = shown(used.at), aws.String(used.region)
	out.LastAuthenticatedEntity, out.TotalAuthenticatedEntities = aws.String(who.arn(c.Scope)), aws.Int32(used.actors)
	return out, nil
}

// trackedActions lists the actions of a service that Lanyard offers and the policies
// allow, and those that were called all the same.
func (s *Service) trackedActions(c *service.Call, n namespace, permissions *policy.Set, used *serviceUse) ([]types.TrackedActionLastAccessed, error) {
	if used == nil {
		used = new(serviceUse)
	}
	names := slices.Collect(maps.Keys(used.actions))
	for _, name := range s.actions(n.prefix) {
		if used.actions[name] == nil && permissions.AllowsAction(n.prefix+":"+name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []types.TrackedActionLastAccessed
	for _, name := range names {
		entry := types.TrackedActionLastAccessed{ActionName: aws.String(name)}
		if last := used.actions[name]; last != nil {
			who, err := actorByID(c, last.actor)
			if err != nil {
				return nil, err
			}
			entry.LastAccessedEntity, entry.LastAccessedTime, entry.LastAccessedRegion = aws.String(who.arn(c.Scope)), shown(last.at), aws.String(last.region)
		}
		out = append(out, entry)
	}
	return out, nil
}

// mayGenerateServiceLastAccessedDetails: the resource is the subject of the report.
func (s *Service) mayGenerateServiceLastAccessedDetails(c *service.Call, in *iam.GenerateServiceLastAccessedDetailsInput) ([]authz.Check, error) {
	check := authz.On(*in.Arn)
	found, err := s.subjectOf(c, *in.Arn)
	switch {
	case errors.Is(err, store.ErrNotFound): // whether it exists is told to those who may ask
	case err != nil:
		return nil, err
	case found.bearer != nil:
		check = check.WithResourceTags(found.bearer.tags)
	default:
		check = check.WithResourceTags(found.policy.tags)
	}
	return []authz.Check{check}, nil
}
