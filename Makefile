# The few words to type. Each does all set-up that it needs; a second time that takes a second.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Compiled modules are kept: without them every Pulumi plugin takes three times as long to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup rehearse test bench report lint format lock clean

PHASE ?= 1
PYTHON := .venv/bin/python
READY := .venv/.set-up
WORDS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  After make setup: .venv/bin/oss --help"

setup: $(READY) ## Python packages, Debian packages (as root), Pulumi and Kubernetes
	@.venv/bin/oss doctor --install

rehearse: $(READY) ## walk the whole loop on this machine and end with a verdict (PHASE=1, 2 or 3)
	@.venv/bin/oss doctor --install --quiet
	@.venv/bin/oss rehearse --phase $(PHASE)

test: $(READY) lint ## lint, then every test; whole rehearsals come last
	@.venv/bin/oss doctor --install --quiet
	@echo "test: pytest"
	@.venv/bin/pytest

bench: $(READY) ## figures beside those of peers, as a table and in build/bench.json (WORDS="simulation" for some)
	@$(PYTHON) tools/bench.py $(WORDS)

report: $(READY) ## the lease plan and its report; needs only Python
	@.venv/bin/oss plan
	@.venv/bin/oss report

lint: $(READY) ## style, types and the direction of imports
	@echo "lint: ruff"; .venv/bin/ruff check --quiet && .venv/bin/ruff format --check --quiet
	@echo "lint: mypy --strict"; .venv/bin/mypy
	@echo "lint: imports"; .venv/bin/lint-imports --no-logo

format: $(READY) ## put the code into its usual form
	@.venv/bin/ruff check --quiet --fix; .venv/bin/ruff format --quiet

lock: $(READY) ## pin every Python package by hash, from pyproject.toml
	@tools/lock.sh

clean: ## remove what was built here; caches and racks stay (oss down ENV removes a rack)
	rm -rf build evidence .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

# The stamp is as old as the newest thing that it was made from.
$(READY): requirements.lock tools/uv.lock tools/setup_python.sh pyproject.toml
	@tools/setup_python.sh
	@touch $@
