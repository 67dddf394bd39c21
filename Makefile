# Everything is run from here, by people and by CI. A machine with Python 3.11 and make can start.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DATA ?= $(CURDIR)/data
PORT ?= 8765
PYTEST_ARGS ?= -n 4 --dist worksteal
# The tests start many processes: each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test soak mutate lint types imports unit coverage fix bench schemas audit pins clean

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run  ## Perform scenarios/demo.yaml with the rehearsal model and show it on a page (no key, no network)
	@$(BIN)/debate-caster run scenarios/demo.yaml --data-dir "$(DATA)" --port $(PORT)

test: lint types imports unit  ## Run everything that CI runs

lint: $(VENV)/.dev  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types
	$(BIN)/mypy

imports: $(VENV)/.dev  ## Check that imports point down only
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev $(VENV)/.system $(VENV)/.node  ## Run the tests (PYTEST_ARGS="-n 4 --dist worksteal")
	$(BIN)/pytest $(PYTEST_ARGS)

coverage: $(VENV)/.dev $(VENV)/.system $(VENV)/.node  ## Run the tests with asyncio's checks and say which lines they miss (twice as long)
	rm -f .coverage .coverage.*
	$(BIN)/pytest $(PYTEST_ARGS) -o asyncio_debug=true --cov --cov-report=
	$(BIN)/coverage report --fail-under=90

soak: $(VENV)/.dev  ## Run what takes long: kills at random points, property tests with ten times the examples
	$(BIN)/pytest -m soak tests
	$(BIN)/pytest --hypothesis-profile=thorough tests/show tests/pulsar tests/scenario tests/llm tests/log

mutate: $(VENV)/.dev $(VENV)/.system  ## Take every guard away, one at a time, and see a test fail; write docs/reliability.md
	$(BIN)/python -m tests.mutation

fix: $(VENV)/.dev  ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## Measure the figures and write docs/performance.md
	$(BIN)/python -m benchmarks

audit: $(VENV)/.dev  ## Ask whether a pinned package has a known vulnerability (needs the network)
	$(BIN)/pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --disable-pip --require-hashes --strict --progress-spinner off -r requirements/run.txt
	$(BIN)/pip-audit --disable-pip --require-hashes --strict --progress-spinner off -r requirements/dev.txt

pins: $(VENV)/.dev  ## Resolve requirements/*.txt anew from the lower bounds in pyproject.toml
	$(BIN)/pip install --quiet uv
	cd requirements && for kind in run dev; do \
	  ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    $$( [ $$kind = dev ] && echo --extra dev ) ../pyproject.toml build.in -o $$kind.txt; done

clean:  ## Remove what make has made
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/node/node_modules

$(VENV)/.venv:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "make: Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv requirements/run.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.venv requirements/dev.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

# Chromium and Node.js, which the tests drive: through the system's package manager where they are missing.
$(VENV)/.system: .ci/system-packages | $(VENV)/.venv
	.ci/system-packages
	@touch $@

$(VENV)/.node: tests/node/package.json $(VENV)/.system
	cd tests/node && npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@
