# make demo: the quickstart, from nothing to its page. make test: all checks. Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
WORKDIR := results/quickstart
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
BASE := $(VENV)/.base-$(VERSION)
DEV := $(VENV)/.dev-$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow format bench clean

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BASE): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "make: PYTHON=$(PYTHON) is $(or $(VERSION),not found); identjax needs Python 3.11 or later"; exit 2; }
# An environment of another Python, or one left half made, is made anew; any other is kept.
	@$(RUN) -c 'import pip, sys; sys.exit("$(VERSION)" != "%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || \
	  { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV): $(BASE)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(BASE)  ## set up and run the quickstart: sweep, evaluate, report
	@$(RUN) -m launch.sweep --config=configs/quickstart.py --workdir=$(WORKDIR)
	@$(RUN) -m launch.evaluate --workdir=$(WORKDIR)
	@$(RUN) -m launch.report --workdir=$(WORKDIR)

test: $(DEV)  ## set up and run the format check, lint, types and the default tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(RUN) -m pytest -n 2 --dist worksteal

test-slow: $(DEV)  ## run the slow tests
	$(RUN) -m pytest -m slow -n 2 --dist worksteal || test $$? -eq 5  # 5: none is marked slow

format: $(DEV)  ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BASE)  ## measure against peers; see launch/bench.py
	$(RUN) -m launch.bench

clean:  ## remove the environment and what runs wrote
	rm -rf $(VENV) build *.egg-info $(WORKDIR)
