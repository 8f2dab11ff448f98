# Two commands matter: `make demo` sets up and runs the system; `make test` sets up and passes the tests.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Test processes; 0 runs one test after the other.
WORKERS ?= 3
# How many of them run whole systems, which take 2 to 3 GB of memory each and wait a third of their time.
SYSTEMS ?= 2
# OpenAI's client for JavaScript, which one test talks through, and axe-core, which judges the console.
JAVASCRIPT := tests/javascript/node_modules/.installed

# Tests start hundreds of Python processes: bytecode is kept also where an image's environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test chaos docs lint style types format clean
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment with the pinned packages

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (about two minutes the first time) ..." >&2  # stdout belongs to `demo --json`
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev,docs,mqtt,postgresql,s3]'
	@touch $(STAMP)

demo: $(STAMP) ## publish cameras, watch them, ask them; ARGS="--once --json" for one scripted run
	@$(BIN)/hermes demo $(ARGS)

# Types take over a minute of one core: they are checked beside the tests, with what these leave idle.
test: $(STAMP) $(JAVASCRIPT) style ## check the code and run every test
	@mkdir -p build
	@nice $(BIN)/pyright >build/types.txt 2>&1 & types=$$!; trap "kill $$types 2>/dev/null; exit 130" INT TERM; \
	TEST_SYSTEMS=$(SYSTEMS) $(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder $(ARGS); tests=$$?; \
	wait $$types || { cat build/types.txt >&2; echo "the types are wrong: make types" >&2; exit 1; }; exit $$tests

$(JAVASCRIPT): tests/javascript/package.json
	@npm install --prefix tests/javascript --no-audit --no-fund --no-package-lock --silent && touch $@ \
		|| echo "npm cannot install the packages of tests/javascript: tests/unit/api/openai/test_openai_javascript.py and tests/console will fail" >&2

chaos: $(STAMP) ## kill processes and nodes under load; FAULTS=200 for the long form; writes build/chaos-report.json
	CHAOS_FAULTS=$(or $(FAULTS),20) CHAOS_STORE=$(or $(STORE),files) CHAOS_REPORT=$(or $(REPORT),build/chaos-report.json) HERMES_CHAOS_MALFORMED=5000 \
		$(BIN)/python -m pytest -s -o python_files='test_*.py many_faults.py' tests/chaos

docs: $(STAMP) ## make the documentation a site in build/site; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: style types ## formatting, lint, types and the import rules between rooms

style: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/pyright

format: $(STAMP) ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
