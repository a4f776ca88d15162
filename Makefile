# What one does here. `make` alone prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO ?= go
# Without paths in what is compiled, clones in different folders share the build cache.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -trimpath)
TOOL := $(GO) tool -modfile=tools/go.mod
VERSION ?= $(shell git describe --tags --always 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=0.1.0-$(VERSION)

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 12

.PHONY: build
build: ## build the one binary, bin/lanyard
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/lanyard ./cmd/lanyard

.PHONY: run
run: build ## run a development server on 127.0.0.1:4747
	./bin/lanyard server --dev

.PHONY: test
test: setup lint ## everything that CI checks; installs what it needs
	./scripts/test

.PHONY: setup
setup:
	@./scripts/setup

.PHONY: lint
lint: ## gofmt, go vet (for macOS too), staticcheck
	@test -z "$$(gofmt -l .)" || { echo 'gofmt these files:'; gofmt -l .; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./cmd/lanyard
	$(TOOL) staticcheck ./...

.PHONY: vuln
vuln: ## known vulnerabilities; needs a database: make vuln DB=file:///path
	$(TOOL) govulncheck $(if $(DB),-db $(DB),) ./...

.PHONY: fuzz
fuzz: ## fuzz every parser, FUZZTIME each (default 30s)
	@./scripts/fuzz $(or $(FUZZTIME),30s)

.PHONY: properties
properties: ## the laws of the policy language in CHECKS random cases (default 10^6)
	nice $(GO) test ./policy -run '^(TestAgainstReference|TestT114_.*|TestMonotonic|TestTraceAgrees|TestGroundsAgree|TestGlob|TestPrefixTable)$$' \
		-timeout 0 -v -rapid.checks=$(or $(CHECKS),1000000)

.PHONY: bench
bench: ## benchmarks beside the code, and the peers in bench/
	@./scripts/bench

.PHONY: screenshots
screenshots: ## every page, light and dark, wide and narrow, in dist/screenshots
	mkdir -p dist/screenshots
	LANYARD_SCREENSHOTS=$(CURDIR)/dist/screenshots $(GO) test -count 1 ./console ./test/journey

.PHONY: golden
golden: ## rewrite the golden files; read the diff
	$(GO) test ./audit ./cmd/lanyard ./policy ./protocol ./test/script ./test/wire ./transfer -update

.PHONY: data
data: ## pack the AWS managed policies in awsmanaged/data
	$(GO) run ./awsmanaged/pack

.PHONY: docs
docs: ## write the generated documents: operations, licences
	$(GO) run ./internal/docgen
