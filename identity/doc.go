// Package identity owns what is kept about IAM's entities: the records of
// accounts, users, groups, roles, managed policies, access keys and MFA devices,
// the indexes between them, and how each is found. It is read by everything that
// asks "who is this and what hangs on them": authn, authz and the services.
//
// It holds no rule of the IAM API: what may be created, changed or deleted, with
// which error, is package service/iam's; whether a caller may is package authz's.
//
// Records are our own plain structs, never SDK types, so that a newer SDK cannot
// change what is on disk. A record read through a store.Table is shared and
// read-only; changes go through Table.Edit, which hands out a copy.
package identity
