# `make run` and `make test` need Python 3.11 or newer (with pip and venv), git and make; no compiler, no root, no server.
# Everything is installed into .venv, at the versions and hashes of requirements/*.txt.

PYTHON ?= python3
VENV ?= .venv
# More than there are cores: acceptance tests wait more than they compute.
WORKERS ?= 3
PYTEST_FLAGS ?=
LOCK_FLAGS ?=
BENCH_FLAGS ?=
MINUTES ?= 5
SOAK_FLAGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
# Wheels only: without one for this platform pip says so, instead of looking for a compiler.
INSTALL := $(PIP) install --require-hashes --only-binary :all: -r
INSTALL_JOBSCHED := $(PIP) install --no-deps --no-build-isolation --editable .
RUN_READY := $(VENV)/.run-installed
DEV_READY := $(VENV)/.dev-installed
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.installed
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.installed
# Peers of node's world are measured where it is: elsewhere the bench says what it leaves out.
NODE := $(if $(shell command -v npm),$(shell command -v node))
NODE_PEERS := benchmarks/peers/node
NODE_READY := $(if $(NODE),$(NODE_PEERS)/node_modules/.installed)
UV_VERSION := 0.13.9
OTHER_PYTHONS := 3.12 3.13
# Where Debian puts its versions; tests/conftest.py starts the one that it is told to.
OTHER_POSTGRES := $(wildcard /usr/lib/postgresql/*/bin)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test check lint fmt types imports pytest fast-tests test-all test-pythons test-postgres faults soak reference docs bench bench-quick lock clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: $(RUN_READY) ## install what is needed, then run jobs.yaml with SQLite until Ctrl-C
	@$(BIN)/jobsched run jobs.yaml

# pytest stands last, so that its summary is the last thing to be read.
test: lint types imports pytest ## everything that must hold: lint, types, imports, all tests (PostgreSQL comes as a wheel)

check: lint types imports fast-tests ## what to run before a commit; a minute at most

lint: $(DEV_READY) ## rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(DEV_READY) ## format, and repair what can be repaired safely
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV_READY) ## mypy, strict
	$(BIN)/mypy

imports: $(DEV_READY) ## imports go down only
	$(BIN)/lint-imports

pytest: $(DEV_READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_FLAGS)

fast-tests: $(DEV_READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) $(PYTEST_FLAGS) tests/unit

test-all: export JOBSCHED_TEST_THOROUGH = 1
test-all: test test-postgres test-pythons ## the same with many more examples of each property, then on each other PostgreSQL and Python found

test-postgres: $(DEV_READY) ## what touches PostgreSQL, on each version in /usr/lib/postgresql
	@status=0; for binaries in $(OTHER_POSTGRES); do \
	  "$$binaries/postgres" --version; \
	  JOBSCHED_TEST_POSTGRES_BIN="$$binaries" $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_FLAGS) -k postgres tests/store tests/runner tests/acceptance || status=1; \
	done; exit $$status
	$(if $(OTHER_POSTGRES),,@echo "no other PostgreSQL found, none tested")

# A name on PATH may be a version manager's shim that only says which versions there are, so each is tried.
test-pythons: ## all tests on each other Python found (3.12, 3.13), in .venv-3.12 …
	@status=0; for version in $(OTHER_PYTHONS); do \
	  found=; \
	  for candidate in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python$$version; do \
	    if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then echo "Python $$version: not found, not tested"; continue; fi; \
	  echo "Python $$version: $$found"; \
	  $(MAKE) --no-print-directory pytest PYTHON="$$found" VENV=.venv-$$version || status=1; \
	done; exit $$status

faults: $(DEV_READY) ## the full fault suite, with a table of what held (some minutes; docs/reliability.md)
	$(BIN)/python -m tests.acceptance.faults -n $(WORKERS) $(PYTEST_FLAGS)

soak: $(DEV_READY) ## nodes under load and misfortune, MINUTES=5 on each database; then every invariant is asked about
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(SOAK_FLAGS)

reference: $(DEV_READY) ## write docs/jobs-yaml.md, docs/cli.md and docs/metrics.md anew from the program
	$(BIN)/python docs/generate.py

# In an environment of its own, so that neither running nor testing waits for Sphinx.
docs: $(DOCS_READY) ## build docs/ as HTML into build/docs; warnings are errors
	$(DOCS_VENV)/bin/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs build/docs
	@echo "build/docs/index.html"

bench: $(DEV_READY) $(BENCH_READY) $(NODE_READY) ## measure size and speed beside peers (some 40 minutes; BENCH_FLAGS="--only queue --markdown FILE")
	$(BIN)/python -m benchmarks --peers $(BENCH_VENV)/bin/python $(if $(NODE_READY),--node $(NODE)) $(BENCH_FLAGS)

bench-quick: $(DEV_READY) $(BENCH_READY) ## the same in some three minutes, beside one peer a database, for a first look
	$(BIN)/python -m benchmarks --quick --peers $(BENCH_VENV)/bin/python $(BENCH_FLAGS)

lock: ## resolve pyproject.toml anew into requirements/*.txt (LOCK_FLAGS=--upgrade: to the newest versions)
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip --disable-pip-version-check install --quiet uv==$(UV_VERSION)
	$(call compile,dev,pyproject.toml --all-extras --group dev)
	$(call compile,run,pyproject.toml --all-extras --group build --constraints requirements/dev.txt)
	$(call compile,docs,--group docs)
	$(call compile,bench,--group bench --constraints requirements/dev.txt)

# One lock for all platforms and Pythons; it names no index, so a mirror serves as well.
compile = .venv-lock/bin/uv pip compile $(2) --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --custom-compile-command 'make lock' $(LOCK_FLAGS) \
	--output-file requirements/$(1).txt

clean: ## remove environments, caches and builds; databases and backups stay
	rm -rf .venv .venv-* $(NODE_PEERS)/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: installed once, and again only when a pin or the project's metadata has changed.
$(RUN_READY): requirements/run.txt pyproject.toml | $(BIN)/pip
	@echo "Installing jobsched into $(VENV) ..."
	@$(INSTALL) requirements/run.txt
	@$(INSTALL_JOBSCHED)
	@touch $@

$(DEV_READY): requirements/dev.txt pyproject.toml | $(BIN)/pip
	@echo "Installing jobsched and its development tools into $(VENV) ..."
	@$(INSTALL) requirements/dev.txt
	@$(INSTALL_JOBSCHED)
	@touch $@

$(DOCS_READY): requirements/docs.txt
	@echo "Installing Sphinx into $(DOCS_VENV) ..."
	@$(PYTHON) -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip --disable-pip-version-check --no-input --quiet install --require-hashes --only-binary :all: -r requirements/docs.txt
	@touch $@

$(BENCH_READY): requirements/bench.txt
	@echo "Installing what is compared with into $(BENCH_VENV) ..."
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --no-input --quiet install --require-hashes --only-binary :all: -r requirements/bench.txt
	@touch $@

# As pinned with hashes; no script of a package is run.
$(NODE_PEERS)/node_modules/.installed: $(NODE_PEERS)/package-lock.json
	@echo "Installing what is compared with of node's world into $(NODE_PEERS)/node_modules ..."
	@cd $(NODE_PEERS) && npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.installed \
	  || echo "npm could not install them: they are left out"

# pip comes last into a new environment: where it stands, the environment is whole.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("jobsched needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; say: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
