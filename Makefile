# Every target does its own set-up. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PYTHONPATH := $(CURDIR)/operator:$(CURDIR)/tests
export PYTHONDONTWRITEBYTECODE :=
# Behind a proxy that opens TLS: uv and Go read SSL_CERT_FILE, the others go by names of their own.
ifneq ($(SSL_CERT_FILE),)
export PIP_CERT ?= $(SSL_CERT_FILE)
export NODE_EXTRA_CA_CERTS ?= $(SSL_CERT_FILE)
endif

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# --- set-up -----------------------------------------------------------------

$(STAMP): requirements/dev.txt requirements/uv.txt
	@echo "set-up: virtual environment from the locked requirements"
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name it with PYTHON=" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: help setup binaries
setup: $(STAMP) ## make the virtual environment
binaries: $(STAMP) ## build or find the test binaries (about 8 minutes the first time)
	@$(BIN)/python -m controlplane.binaries

# --- the main job -----------------------------------------------------------

SANDBOX := $(BIN)/python -m controlplane.sandbox
# $(call tests,FOLDER): what ARGS names; the folder, with ARGS as options, when ARGS names no test
tests = $(if $(filter tests/%,$(ARGS)),,$(1)) $(ARGS)

.PHONY: demo down
demo: binaries ## the whole chain on real parts, step by step; KEEP=1 leaves it running
	@$(SANDBOX) $(if $(KEEP),--forward 0) -- $(BIN)/python -m e2e.demo $(if $(KEEP),--keep)
down: $(STAMP) ## end a chain that KEEP=1 left running
	@$(BIN)/python -m e2e.keeping

# --- tests ------------------------------------------------------------------

# Sessions that run side by side, each in a sandbox of its own; most of their time they wait.
SHARES := parts-1 parts-2 parts-3 chain-1 chain-2 chain-3
TELLINGS := chaos-1 chaos-2 chaos-3
shared = $(SANDBOX) -- $(BIN)/python -m pytest -p support.sharing --taken $(TAKEN) $(1) 2>&1 | sed -u 's/^/$@: /'

.PHONY: test $(SHARES) test-unit test-integration test-postgres test-clients test-e2e test-chaos $(TELLINGS) bench
test: binaries ## unit, integration and end-to-end tests
	@$(if $(ARGS),$(SANDBOX) -- $(BIN)/python -m pytest $(ARGS),taken=$$(mktemp -d); trap 'rm -r "$$taken"' EXIT; \
	  $(MAKE) --jobs=$(words $(SHARES)) --keep-going $(SHARES) TAKEN="$$taken")
$(filter parts-%,$(SHARES)):
	@$(call shared,tests/unit tests/integration tests/chaos)
$(filter chain-%,$(SHARES)):
	@$(call shared,tests/e2e)
test-unit: $(STAMP) ## the pure parts only
	@$(BIN)/python -m pytest $(call tests,tests/unit)
test-integration: binaries ## emulator, PostgreSQL, API server
	@$(SANDBOX) -- $(BIN)/python -m pytest $(call tests,tests/integration)
test-postgres: $(STAMP) ## what is about SQL, on PostgreSQL 14 to 18; VERSIONS="14 17" narrows
	@$(BIN)/python -m support.granting.versions $(VERSIONS) -- $(ARGS)
test-clients: $(STAMP) ## connectors in Python, Go, Node and Java, and gcloud, against the emulator
	@$(BIN)/python -m clients.fetching
	@$(SANDBOX) -- $(BIN)/python -m pytest $(call tests,tests/clients)
test-pooler: $(STAMP) ## grants through a transaction pooler, where the machine has pgbouncer; no part of CI
	@$(BIN)/python -m pytest tests/pooler $(ARGS)
test-e2e: binaries ## the chain
	@$(SANDBOX) -- $(BIN)/python -m pytest $(call tests,tests/e2e)
test-chaos: binaries ## the operator killed before and after every call it makes, three tellings side by side; CHAOS="before 7" tries one
	@$(if $(CHAOS)$(ARGS),CHAOS="$(CHAOS)" $(SANDBOX) -- $(BIN)/python -m pytest -s $(call tests,tests/chaos),$(MAKE) --jobs=3 --keep-going $(TELLINGS))
$(TELLINGS): chaos-%:
	@CHAOS="all $*/3" $(SANDBOX) -- $(BIN)/python -m pytest -s tests/chaos 2>&1 | sed -u 's/^/chaos $*: /'
bench: binaries ## figures; ONLY=name runs one; PEERS=1 measures pgroles beside the grants; SCALE="200 10000" sets the sizes of the fleets
	@$(if $(filter 1,$(PEERS)),$(BIN)/python -m benchmarks.peers)
	@$(SANDBOX) -- $(BIN)/python -m benchmarks $(ONLY)

# --- checks -----------------------------------------------------------------

.PHONY: check format lint types imports generated lock hooks clean
check: format lint types imports generated ## format, lint, types, import contracts, generated files
format: $(STAMP)
	@$(BIN)/ruff format --check --quiet operator tests tools
lint: $(STAMP)
	@$(BIN)/ruff check --quiet operator tests tools
	@$(BIN)/hadolint Dockerfile
types: $(STAMP)
	@$(BIN)/mypy
	@$(BIN)/basedpyright --level error
imports: $(STAMP)
	@$(BIN)/lint-imports --no-cache
generated: $(STAMP)
	@$(BIN)/python tools/generate.py --check
generate: $(STAMP) ## write the generated files anew (chart CRDs, reasons table)
	@$(BIN)/python tools/generate.py
lock: $(STAMP) ## resolve the requirements anew
	@for each in pyproject.toml:runtime requirements/dev.in:dev requirements/uv.in:uv requirements/go.in:go; do \
	  $(BIN)/uv pip compile "$${each%%:*}" --universal --generate-hashes --python-version 3.11 \
	    --custom-compile-command "make lock" --quiet --output-file "requirements/$${each##*:}.txt"; done
hooks: $(STAMP) ## install the git hooks
	@$(BIN)/pre-commit install
clean: ## remove what this checkout built (the user cache of test binaries stays)
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .hypothesis
