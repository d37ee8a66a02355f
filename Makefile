# Needs Python >= 3.11 and make; everything else goes into .venv on the first call.
PYTHON ?= python3
BENCH ?=
NOTEBOOKS ?=
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-slow bench notebooks lint clean
demo: $(STAMP)
	$(BIN)/photomend demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 -m slow

bench: $(STAMP)
	$(BIN)/photomend bench $(BENCH)

notebooks: $(STAMP)
	$(BIN)/python demos/notebooks.py $(NOTEBOOKS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# torch and torchvision come out of one resolution: a pair that does not match fails at import.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'photomend needs Python >= 3.11; name one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'this Python cannot make virtual environments (no ensurepip);' \
	    'on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test,demo]'
	@touch $@
