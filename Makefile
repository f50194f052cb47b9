SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
DEPLOY_LOCK := deploy/requirements.lock
STAMP := $(VENV)/.installed
WORKSPACE ?= var/story
JOBS ?= 2
PYTEST_ARGS ?=
LOCK_ARGS ?=
AIRFLOW_ARGS ?=
ROWS ?= 200000
DIRTY ?= 0.01
PORT ?= 8080
PARALLELISM ?= 4

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED_UV = sed -n '/^uv==/,/[^\\]$$/p' $(LOCK)
PIP_SETTINGS = pip_setting() { $(BIN)/python -m pip config get "global.$$1" 2>/dev/null || true; }; \
	index="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$(pip_setting index-url)}}}"; \
	certificates="$${SSL_CERT_FILE:-$${PIP_CERT:-$$(pip_setting cert)}}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	if [ -n "$$certificates" ]; then export SSL_CERT_FILE="$$certificates"; fi

.PHONY: help setup run test check bench airflow dags-time lock clean

help:
	@echo "make setup   create $(VENV) with everything, from $(LOCK)"
	@echo "make run     the demo insurer's story in $(WORKSPACE)"
	@echo "make test    the tests, without those marked slow (PYTEST_ARGS adds options, JOBS is the number of processes)"
	@echo "make check   lint, types, consistency of the installed packages"
	@echo "make bench   how fast rules are checked, against other ways of doing it (ROWS=$(ROWS), DIRTY=$(DIRTY))"
	@echo "make airflow Airflow on this machine with a demo insurer, until Ctrl-C (PORT=$(PORT), PARALLELISM=$(PARALLELISM); UNPAUSE=1 runs all schedules, PLATFORM=1 adds the stand-in registry platform)"
	@echo "make dags-time   how long Airflow takes to read each file in dags/"
	@echo "make lock    write $(LOCK) and $(DEPLOY_LOCK) again from pyproject.toml (LOCK_ARGS=--upgrade for newer releases)"
	@echo "make clean   remove $(VENV), caches and builds; leaves var/"

setup: $(STAMP)

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	"$(PYTHON)" -m venv $(VENV)

$(STAMP): $(LOCK) pyproject.toml | $(BIN)/python
	@with_uv() { \
		$(LOCKED_UV) > $(VENV)/uv.txt && $(PIP) install --require-hashes -r $(VENV)/uv.txt || return 1; \
		$(PIP_SETTINGS); \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCK) || return 1; \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline --editable .; \
	}; \
	with_pip() { \
		$(PIP) install --require-hashes -r $(LOCK) && $(PIP) install --no-deps --no-build-isolation --editable .; \
	}; \
	if ! with_uv; then echo "not with uv: going on with pip, which takes longer"; with_pip; fi
	@touch $@

run: $(STAMP)
	$(BIN)/eastbound demo story --workspace $(WORKSPACE)

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --durations=10 -m "not slow" $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PIP) check

bench: $(STAMP)
	$(BIN)/eastbound bench rules --rows $(ROWS) --dirty $(DIRTY) --repeat 3 --folder var/bench

# exec: Ctrl-C and TERM reach the launcher itself, which stops everything it started.
airflow: $(STAMP)
	@exec $(BIN)/python tools/airflow_local.py --port $(PORT) --parallelism $(PARALLELISM) $(if $(UNPAUSE),--unpause) $(if $(PLATFORM),--platform) $(AIRFLOW_ARGS)

dags-time: $(STAMP)
	@$(BIN)/python tools/dag_times.py

lock: $(STAMP)
	@$(PIP_SETTINGS); \
	$(BIN)/uv pip compile pyproject.toml --quiet --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate $(LOCK_ARGS) -o $(LOCK); \
	$(BIN)/uv pip compile $(DEPLOY_LOCK:.lock=.in) pyproject.toml --quiet --extra airflow --extra profiles --constraint $(LOCK) --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate $(LOCK_ARGS) -o $(DEPLOY_LOCK)
	@for lock in $(LOCK) $(DEPLOY_LOCK); do if grep -nE '://|^--' $$lock; then echo "$$lock must not name an address" >&2; exit 1; fi; done

clean:
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find etl dags tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
