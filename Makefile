# `make demo` and `make test` need Python 3.11 or newer, make and nothing else; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-core lint docs benchmark clean

demo: $(VENV)/.installed
	$(BIN)/hrcam demo --out demo

test: $(VENV)/.installed-test
	$(BIN)/pytest --numprocesses 2 --dist loadgroup

test-core: $(VENV)/.installed-test
	$(BIN)/pytest --numprocesses 2 --dist loadgroup tests/core tests/baselines

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "the site: docs/_build/html/index.html"

benchmark: $(VENV)/.installed
	$(BIN)/python benchmarks/cost.py

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hrcam needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing hrcam and what it needs into $(VENV); this takes a minute or two"
	$(INSTALL) --editable '.[all]'
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(INSTALL) --editable '.[all,$*]'
	@touch $@

clean:
	rm -rf $(VENV) demo docs/_build docs/gallery
