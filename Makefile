# `make chat` talks, `make test` proves. Everything lies in .venv; nothing is installed elsewhere.
# Needs python3.11 or later (with venv), git and make; uv and the rest come from the registry by hash.

MEMBERS := $(patsubst %/,%,$(dir $(wildcard plugins/*/pyproject.toml hermes-plugin-*/pyproject.toml)))
BIN := .venv/bin
UV := $(BIN)/uv
MODELS = $(if $(HERMES_HOME),$(HERMES_HOME),$(HOME)/.hermes)/models

unexport VIRTUAL_ENV
export UV_SYSTEM_CERTS ?= 1
export NODE_EXTRA_CA_CERTS ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)
export UV_PYTHON_DOWNLOADS ?= never

.PHONY: help setup chat test check lint types imports surface docs html fast soak bench lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make chat    set up what is missing and talk to Hermes'
	@echo 'make test    set up what is missing and run the whole suite'
	@echo 'make check   lint, types, imports, surface, docs'
	@echo 'make fast    the quick tests of what changed'
	@echo 'make soak    the long tests        make bench   the measurements'
	@echo 'make surface docs WRITE=1   write what is generated anew: docs/surface.txt, lists of plugins'
	@echo 'make html    build the documentation into build/docs'
	@echo 'make lock    write requirements.lock anew (LOCK=--upgrade for newer versions)'

setup: .venv/stamp
	@:

chat: setup
	@test -n "$(wildcard $(MODELS)/*.gguf)" || $(BIN)/hermes local fetch \
		|| echo 'No local model was fetched; another model can be named in config.yaml.' >&2
	@exec $(BIN)/hermes

test: setup
	@$(BIN)/python -m pytest

check: lint types imports surface docs

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup
	@$(BIN)/mypy hermes $(wildcard $(MEMBERS:=/hermes_plugin_*))

imports: setup
	@$(BIN)/python .ci/imports.py

surface: setup
	@WRITE="$(WRITE)" $(BIN)/python .ci/surface.py

docs: setup
	@WRITE="$(WRITE)" $(BIN)/python .ci/docs.py
	@WRITE="$(WRITE)" $(BIN)/python .ci/catalogue.py
	@$(MAKE) --no-print-directory html

html: setup
	@$(BIN)/sphinx-build -q -W --keep-going -j 2 docs build/docs
	@echo 'html: build/docs/index.html'

fast: setup
	@$(BIN)/python .ci/fast.py

soak: setup
	@$(BIN)/python -m pytest -m soak --timeout 3600 || test $$? = 5 # 5: there is none

bench: setup
	@for file in bench/bench_*.py; do test ! -e "$$file" || $(BIN)/python "$$file" || exit 1; done

# Versions that are locked stay unless LOCK=--upgrade. The result names no address and no path.
lock: $(UV)
	$(UV) pip compile -q --python $(BIN)/python --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --all-extras --group dev $(LOCK) \
		$(foreach name,hermes-kernel $(notdir $(MEMBERS)),--no-emit-package $(name)) \
		-o requirements.lock pyproject.toml $(MEMBERS:=/pyproject.toml)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The folder itself counts too: its time changes when a plugin's folder comes or goes.
.venv/stamp: requirements.lock pyproject.toml $(MEMBERS:=/pyproject.toml) $(wildcard plugins) | $(UV)
	@echo 'Setting up .venv ...'
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation \
		$(foreach folder,. $(MEMBERS),-e ./$(folder))
	@touch $@

$(UV):
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then exec $$python -m venv .venv; fi; \
	done; echo 'Hermes needs Python 3.11 or later with its venv module (Debian: python3-venv).' >&2; exit 1
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.txt
