package console

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// A user, a group and a role can be deleted when nothing hangs on them any more. The order
// in which things go leaves who is deleted with the least should a step be refused.

// mostDrained bounds what one request removes of one kind.
const mostDrained = 5000

var errTooMuch = &Problem{
	Status: http.StatusConflict, Title: "More hangs on it than one request removes", Why: "A part of it is removed, and the rest is there.",
	Do: []Step{{Text: "Delete it once more: that goes on where this stopped."}},
}

// drain removes what a list has, and reads the list anew until nothing is left, since what
// is on it goes.
func drain[In, Out, T any](ctx context.Context, list func(context.Context, *In, ...func(*iam.Options)) (*Out, error), in *In, of func(*Out) (all []T, more bool), remove func(T) error) error {
	for n := 0; ; {
		out, err := list(ctx, in)
		if err != nil {
			return err
		}
		all, more := of(out)
		for _, one := range all {
			if n++; n > mostDrained {
				return errTooMuch
			}
			if err := remove(one); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// inOrder does one thing after the other until one is refused.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// emptyUser removes what a user has: first what they come in with.
func emptyUser(ctx context.Context, client *iam.Client, name *string) error {
	return inOrder(func() error {
		var none *types.NoSuchEntityException
		if _, err := client.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name}); !errors.As(err, &none) {
			return err
		}
		return nil
	}, func() error {
		return drain(ctx, client.ListAccessKeys, &iam.ListAccessKeysInput{UserName: name}, func(out *iam.ListAccessKeysOutput) ([]types.AccessKeyMetadata, bool) {
			return out.AccessKeyMetadata, out.IsTruncated
		}, func(k types.AccessKeyMetadata) error {
			_, err := client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: k.AccessKeyId})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListMFADevices, &iam.ListMFADevicesInput{UserName: name}, func(out *iam.ListMFADevicesOutput) ([]types.MFADevice, bool) {
			return out.MFADevices, out.IsTruncated
		}, func(d types.MFADevice) error {
			_, err := client.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: d.SerialNumber})
			if err == nil && strings.Contains(aws.ToString(d.SerialNumber), ":mfa/") {
				_, err = client.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: d.SerialNumber})
			}
			return err
		})
	}, func() error {
		return drain(ctx, client.ListSigningCertificates, &iam.ListSigningCertificatesInput{UserName: name}, func(out *iam.ListSigningCertificatesOutput) ([]types.SigningCertificate, bool) {
			return out.Certificates, out.IsTruncated
		}, func(x types.SigningCertificate) error {
			_, err := client.DeleteSigningCertificate(ctx, &iam.DeleteSigningCertificateInput{UserName: name, CertificateId: x.CertificateId})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{UserName: name}, func(out *iam.ListSSHPublicKeysOutput) ([]types.SSHPublicKeyMetadata, bool) {
			return out.SSHPublicKeys, out.IsTruncated
		}, func(k types.SSHPublicKeyMetadata) error {
			_, err := client.DeleteSSHPublicKey(ctx, &iam.DeleteSSHPublicKeyInput{UserName: name, SSHPublicKeyId: k.SSHPublicKeyId})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{UserName: name}, func(out *iam.ListServiceSpecificCredentialsOutput) ([]types.ServiceSpecificCredentialMetadata, bool) {
			return out.ServiceSpecificCredentials, out.IsTruncated
		}, func(s types.ServiceSpecificCredentialMetadata) error {
			_, err := client.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: s.ServiceSpecificCredentialId})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListAttachedUserPolicies, &iam.ListAttachedUserPoliciesInput{UserName: name}, func(out *iam.ListAttachedUserPoliciesOutput) ([]types.AttachedPolicy, bool) {
			return out.AttachedPolicies, out.IsTruncated
		}, func(p types.AttachedPolicy) error {
			_, err := client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: p.PolicyArn})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListUserPolicies, &iam.ListUserPoliciesInput{UserName: name}, func(out *iam.ListUserPoliciesOutput) ([]string, bool) {
			return out.PolicyNames, out.IsTruncated
		}, func(policy string) error {
			_, err := client.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: &policy})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListGroupsForUser, &iam.ListGroupsForUserInput{UserName: name}, func(out *iam.ListGroupsForUserOutput) ([]types.Group, bool) {
			return out.Groups, out.IsTruncated
		}, func(g types.Group) error {
			_, err := client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: g.GroupName})
			return err
		})
	})
}

// emptyGroup removes a group's policies and members.
func emptyGroup(ctx context.Context, client *iam.Client, name *string) error {
	return inOrder(func() error {
		return drain(ctx, client.ListAttachedGroupPolicies, &iam.ListAttachedGroupPoliciesInput{GroupName: name}, func(out *iam.ListAttachedGroupPoliciesOutput) ([]types.AttachedPolicy, bool) {
			return out.AttachedPolicies, out.IsTruncated
		}, func(p types.AttachedPolicy) error {
			_, err := client.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: name, PolicyArn: p.PolicyArn})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListGroupPolicies, &iam.ListGroupPoliciesInput{GroupName: name}, func(out *iam.ListGroupPoliciesOutput) ([]string, bool) {
			return out.PolicyNames, out.IsTruncated
		}, func(policy string) error {
			_, err := client.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: name, PolicyName: &policy})
			return err
		})
	}, func() error {
		return drain(ctx, client.GetGroup, &iam.GetGroupInput{GroupName: name, MaxItems: aws.Int32(1000)}, func(out *iam.GetGroupOutput) ([]types.User, bool) {
			return out.Users, out.IsTruncated
		}, func(u types.User) error {
			_, err := client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: name, UserName: u.UserName})
			return err
		})
	})
}

// emptyRole removes a role's policies, and takes it out of its instance profiles.
func emptyRole(ctx context.Context, client *iam.Client, name *string) error {
	return inOrder(func() error {
		return drain(ctx, client.ListAttachedRolePolicies, &iam.ListAttachedRolePoliciesInput{RoleName: name}, func(out *iam.ListAttachedRolePoliciesOutput) ([]types.AttachedPolicy, bool) {
			return out.AttachedPolicies, out.IsTruncated
		}, func(p types.AttachedPolicy) error {
			_, err := client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: p.PolicyArn})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListRolePolicies, &iam.ListRolePoliciesInput{RoleName: name}, func(out *iam.ListRolePoliciesOutput) ([]string, bool) {
			return out.PolicyNames, out.IsTruncated
		}, func(policy string) error {
			_, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &policy})
			return err
		})
	}, func() error {
		return drain(ctx, client.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: name}, func(out *iam.ListInstanceProfilesForRoleOutput) ([]types.InstanceProfile, bool) {
			return out.InstanceProfiles, out.IsTruncated
		}, func(p types.InstanceProfile) error {
			_, err := client.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: name, InstanceProfileName: p.InstanceProfileName})
			return err
		})
	})
}
