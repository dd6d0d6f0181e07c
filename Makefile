# Supercargo: what a person types. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TEST_DIR := $(CURDIR)/.dev-test

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Build what is missing, start everything, carry the sample orders to their ends, and stay up
	@dev/demo

.PHONY: up
up: ## Start what is not running: a real Kubernetes API, JetStream, Postgres, the outside world's stand-in and the shop
	@dev/up

.PHONY: down
down: ## Stop everything; what it holds stays
	@dev/down

.PHONY: clean
clean: ## Stop everything and drop what it holds
	@dev/clean

.PHONY: logs
logs: ## Follow the logs of what runs
	@dev/logs

.PHONY: check
check: ## Check format, lints and the licences of dependencies (the last where cargo-deny is installed)
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features chart-tests/helm -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; \
	 else echo "cargo-deny is not installed, licences are not checked: cargo install --locked cargo-deny"; fi

.PHONY: generate
generate: ## Write crds/, docs/schemas/, docs/openapi.json and the chart's copies anew from the code
	rm -rf crds docs/schemas docs/openapi.json charts/supercargo/files/crds charts/supercargo/files/install
	cargo run --quiet --locked -- crds --dir crds
	cargo run --quiet --locked -- schemas --dir docs/schemas
	cargo run --quiet --locked -- openapi > docs/openapi.json
	cp -R crds charts/supercargo/files/crds
	cp -R manifests/install charts/supercargo/files/install

.PHONY: crash
crash: ## Run the crash matrix (CRASH_SEED, CRASH_PAIRS, CRASH_PATHS, CRASH_ALONE: see tests/crash) on a stack of its own
	@dev/crash

.PHONY: test
test: check ## Run all tests, on a stack of their own
	@dev/test

.PHONY: chart
chart: ## Test the Helm chart: lints, what it promises, kube-score, and a real API server (its rights, what it refuses)
	@charts/test

.PHONY: image
image: ## Make the image of the release build without Docker: target/image/supercargo-VERSION.tar
	@dev/image/build

.PHONY: e2e
e2e: ## Try the chart on a real node of its own, then leave nothing of it behind (needs root; E2E_KEEP=1 leaves it up)
	@dev/e2e

.PHONY: kind
kind: image ## Make a kind cluster with the chart and the sample orders in it (needs kind, Docker and helm)
	@dev/kind

.PHONY: chaos
chaos: ## Strike a stack with faults of every kind for MINUTES (30) by SEED, with 10 kills a minute, then check everything
	@MINUTES=$(or $(MINUTES),30) SEED=$(SEED) dev/chaos

.PHONY: loss
loss: ## Lose the cluster while orders are in flight, and restore them from Postgres, on a stack of its own
	@dev/loss

.PHONY: bench
bench: ## Measure the release build: orders a second, latency, and what one order costs
	@dev/bench
