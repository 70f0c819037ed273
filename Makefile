# `make demo` and `make test` set everything up by themselves, once. PYTHON=... chooses the
# interpreter of the virtual environment, PYTEST_ARGS=... goes to pytest, DEMO_ARGS=... to the demo.
PYTHON ?= python3
EXTRAS ?= dev,train,data,peft,eval,sweep
WORKERS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?=
MMCV_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.gartk-installed
DOCS_STAMP := $(VENV)/.gartk-docs-installed
SOURCES := gartk tools tests configs bench plugins docs

# Several processes of one thread each beat one process of several threads on small machines.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format docs mmcv clean distclean

help:
	@echo "make demo    train a tiny model, print its scores, draw demo/*.png"
	@echo "make test    run the tests"
	@echo "make lint    ruff check, ruff format --check, mypy"
	@echo "make format  let ruff sort imports and format"
	@echo "make docs    build the documentation and the API reference in site/"
	@echo "make mmcv    build and install mmcv's compiled operators (optional, about 10 minutes)"
	@echo "make setup   only create $(VENV) and install gartk into it"
	@echo "make clean   remove caches and build output; make distclean removes $(VENV) too"

setup: $(STAMP)

$(STAMP): setup.cfg setup.py constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable ".[$(EXTRAS)]" --constraint constraints.txt
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "No '$(PYTHON)' found. Install Python 3.10 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "gartk needs Python 3.10 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' lacks the venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

demo: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m gartk demo $(DEMO_ARGS)

test: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/python -m ruff check $(wildcard $(SOURCES))
	$(BIN)/python -m ruff format --check $(wildcard $(SOURCES))
	$(BIN)/python -m mypy

format: $(STAMP)
	$(BIN)/python -m ruff check --fix $(wildcard $(SOURCES))
	$(BIN)/python -m ruff format $(wildcard $(SOURCES))

docs: $(DOCS_STAMP)
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable ".[docs]" --constraint constraints.txt
	@touch $@

mmcv: $(STAMP)
	$(BIN)/python -m gartk mmcv $(MMCV_ARGS)

clean:
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info plugins/*/build plugins/*/*.egg-info
	find $(wildcard $(SOURCES)) -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
