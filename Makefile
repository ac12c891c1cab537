# The commands of this project. Everything they need is installed into .venv by pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.PHONY: demo test test-all check bench clean

# The environment is made anew whenever the list of dependencies changes.
$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

test: $(VENV)/installed   ## the tests that take less than ten minutes
	$(BIN)/pytest

test-all: $(VENV)/installed   ## all tests
	$(BIN)/pytest -m 'slow or not slow'

check: $(VENV)/installed   ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:   ## remove what the other commands made
	rm -rf $(VENV) demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
