# `make` lists what there is.

# Outside the tree: the first build takes long (RocksDB, librdkafka, OpenSSL), and every clone shares it.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/acteon/target
CARGO ?= cargo
ACTEON := $(CARGO_TARGET_DIR)/debug/acteon
CONFIG ?= examples/quickstart/acteon.toml

.PHONY: help deps deps-build deps-bench build run test test-full bench fmt fmt-check lint deny

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## Install what builds and tests need (Debian, Ubuntu), or say what is missing
	@scripts/need

deps-build:
	@scripts/need --build

deps-bench:
	@scripts/need --bench

build: deps-build ## Build the binary
	$(CARGO) build --locked -p acteon

run: build ## Start `acteon dev` on the quickstart (CONFIG=… for another configuration)
	$(ACTEON) dev -c $(CONFIG)

# The binary first: tests of several crates run it.
test: deps build ## Run all tests
	$(CARGO) test --locked --workspace

test-full: deps build ## Run the exactly-once test at its full size, about five minutes
	ACTEON_FULL=1 $(CARGO) test --locked -p acteon --test it exactly_once

bench: deps-bench build ## Measure against the peers; writes bench/out/latest.json
	$(CARGO) run --locked -p acteon-bench -- --rounds 3

fmt: ## Format
	$(CARGO) fmt --all

fmt-check: ## Say what is not formatted
	$(CARGO) fmt --all -- --check

lint: ## Run clippy
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

deny: ## Check licences, sources and bans of all dependencies, and advisories where they can be fetched
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked --config .deny.toml check bans licenses sources
	@if $(CARGO) deny --config .deny.toml fetch db >/dev/null 2>&1; then \
		$(CARGO) deny --locked --config .deny.toml check --disable-fetch advisories; \
	else \
		echo "advisories: not checked, the database can't be reached"; \
	fi
