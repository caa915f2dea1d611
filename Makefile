# Every target does its own set-up: it makes the virtual environment and installs what it needs, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
comma := ,

# The tests run many tiny operations: with more than one thread, waiting for the others costs more than the work.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

.DEFAULT_GOAL := help
.PHONY: help demo demo-dna demo-lm setup test test-kernels test-gpu sanitize-gpu test-slow test-wheel docs guides lint format clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(VENV)/.installed-forecasting  ## forecast a real series at once, train on it and compare
	$(ONE_THREAD) $(BIN)/titans forecast demo --out runs/demo

demo-lm: $(VENV)/.installed-language  ## train a language model on Python's documentation and let it write
	$(ONE_THREAD) $(BIN)/titans lm demo --out runs/demo-lm

demo-dna: $(VENV)/.installed-genomics  ## train a DNA classifier on made-up motifs, compare and explain it
	$(ONE_THREAD) $(BIN)/titans dna demo --out runs/demo-dna

setup: $(VENV)/.installed-docs-forecasting-genomics-harness-kernels-language-test  ## install what the tests need

test: setup  ## run the tests (PYTEST_ARGS="-k word" to choose)
	$(ONE_THREAD) $(BIN)/pytest $(PYTEST_ARGS)

test-kernels: setup  ## compile every GPU kernel for an H100, without one
	$(ONE_THREAD) $(BIN)/pytest -m slow tests/ops/triton/test_ahead_of_time.py $(PYTEST_ARGS)

test-gpu: setup  ## run the kernels on this machine's NVIDIA GPU, against float64
	$(BIN)/pytest -m gpu tests/ops/triton/test_on_gpu.py $(PYTEST_ARGS)

sanitize-gpu: setup  ## look for races and reads of what was never written, in small cases on a GPU
	for tool in memcheck racecheck initcheck synccheck; do \
	  compute-sanitizer --tool $$tool --error-exitcode 1 \
	    $(BIN)/pytest -m gpu -k "test_rules and bfloat16" tests/ops/triton/test_on_gpu.py || exit 1; \
	done

test-slow: setup  ## run the tests that take long
	$(ONE_THREAD) $(BIN)/pytest -m slow $(PYTEST_ARGS)

test-wheel: setup  ## install the built wheel in an empty environment, and run the demonstrations there
	$(ONE_THREAD) $(BIN)/pytest -m slow tests/test_wheel.py $(PYTEST_ARGS)

docs: $(VENV)/.installed-docs  ## build all pages as a site in build/site, without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

guides: setup  ## run the guides and other documents, see whether they print what they show, and build the site
	$(ONE_THREAD) $(BIN)/pytest -m slow tests/docs $(PYTEST_ARGS)

lint: $(VENV)/.installed-docs-forecasting-genomics-harness-kernels-language-test-lint  ## check style, types, import directions and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/.installed-docs-forecasting-genomics-harness-kernels-language-test-lint  ## put the source in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment, builds and caches, but no results
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stem lists the extras: .installed-forecasting-test installs titans-seq[forecasting,test]. The stamp is written
# last, so that an install which was cut short is done again.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(subst -,$(comma),$*)]'
	@touch $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: titans-seq needs Python 3.11 or newer, and '$(PYTHON)' is missing or older;" \
	    "install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
