# Two commands do all the set-up on a fresh machine with Python 3.11 and a shell: `make demo` and `make test`.
# `make help` lists the others.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
FLAVORS_VENV := .venv-flavors
SPARK_VENV := .venv-spark
BIN := $(VENV)/bin
UV := $(BIN)/uv
ARGS ?=
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
NPM := $(BIN)/python hatch_build.py

.PHONY: ui ui-check ui-types screenshots browser help demo demo-spark test check format bench bench-ui test-crash test-compat test-loggers test-flavors test-spark java test-mariadb test-soak test-old-pandas golden-models docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.demo: $(UV) pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python -e . --group demo
	@touch $@

$(VENV)/.test: $(UV) pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python -e . --group test --group check
	@touch $@

# Every model flavor's library. PyTorch first, by pip: it finds a CPU wheel; pandas below 3, as the official package has it.
$(FLAVORS_VENV)/.ready: $(UV) pyproject.toml
	$(PYTHON) -m venv $(FLAVORS_VENV)
	$(FLAVORS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(UV) pip install --quiet --compile-bytecode --python $(FLAVORS_VENV)/bin/python -e . --group test --group flavors
	@touch $@

# Spark has pandas below 3 and jars of half a GB, so an environment of its own.
$(SPARK_VENV)/.ready: $(UV) pyproject.toml
	$(PYTHON) -m venv $(SPARK_VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(SPARK_VENV)/bin/python -e . --group spark
	@touch $@

demo: $(VENV)/.demo ## Train a real sweep, search it, serve it (ARGS=--once ends by itself)
	$(BIN)/python examples/demo.py $(ARGS)

demo-spark: $(SPARK_VENV)/.ready java ## Train on Spark as a project, on this machine and on a cluster of two workers
	$(SPARK_VENV)/bin/python -m tests.spark.cluster -- $(SPARK_VENV)/bin/python examples/spark_demo.py $(ARGS)

ui: $(VENV)/.test ## Build the pages for browsers, if their sources changed
	$(NPM)

ui-check: ui ## Check style, types and functions of the pages
	$(NPM) run check
	$(NPM) run test

ui-types: ui ## Make ui/src/queries/schema.ts from the server's OpenAPI document
	$(BIN)/python -m docs.schema

browser: ## Install Chromium for the tests of the pages (Debian, when root)
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji; } || echo "No Chromium: the tests of the pages will be skipped, and say so."

screenshots: ui browser ## Write pictures of every page, in both themes and two widths, to build/screenshots
	$(BIN)/python -m tests.ui.screenshots $(ARGS)

test: $(VENV)/.test $(SPARK_VENV)/.ready check ui-check browser java ## Run all tests, with a small real piece of every slow suite
	$(PYTEST) -n 2 --dist loadfile $(ARGS)
	$(SPARK_VENV)/bin/python -m pytest tests/spark --quick

check: $(VENV)/.test ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.test ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test ## Measure side by side with the official MLflow (needs about half an hour)
	$(BIN)/python -m benchmarks $(ARGS)

bench-ui: ui browser ## Measure the pages in a browser with 10,000 and 100,000 runs, beside the official ones (a quarter of an hour)
	$(BIN)/python -m benchmarks.browser $(ARGS)

test-crash: $(VENV)/.test ## 200 rounds of kill -9, full disks, lost servers
	$(PYTEST) tests/crash --rounds 200 $(ARGS)

test-compat: $(VENV)/.test ## Official MLflow clients 2.22, 3.6, 3.17 against our server and the official one
	$(PYTEST) tests/compat --official $(ARGS)

test-loggers: $(VENV)/.test ## Lightning, Optuna, Keras, Transformers log to our server unchanged
	$(PYTEST) tests/compat --loggers $(ARGS)

test-flavors: $(FLAVORS_VENV)/.ready ## All model flavors, PyTorch, Keras and spaCy too, and both ways with MLflow 3.17 and 2.22
	PATH="$(abspath $(BIN)):$$PATH" KERAS_BACKEND=torch $(FLAVORS_VENV)/bin/python -m pytest tests/models/flavors tests/autologging \
		--all-flavors -n 2 --dist loadfile $(ARGS)

java: ## Install Java for the tests of Spark (Debian, when root)
	@command -v java >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless; } || echo "No Java: the tests of Spark will be skipped, and say so."

test-spark: $(SPARK_VENV)/.ready java ## Models, functions and jobs in a real Spark, both ways with MLflow 3.17
	PATH="$(abspath $(BIN)):$$PATH" $(SPARK_VENV)/bin/python -m pytest tests/spark tests/models/flavors -k "spark or fresh_process" $(ARGS)

test-mariadb: $(VENV)/.test ## The tests of the store and of webhooks on MariaDB (installs Debian's package when root)
	@command -v mariadbd >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server; }
	$(PYTEST) tests/store tests/webhooks --mariadb $(ARGS)

test-old-pandas: $(VENV)/.test ## Schemas and enforcement under pandas 2 (the other tests run under pandas 3)
	$(PYTEST) tests/models/test_old_pandas.py --old-pandas $(ARGS)

golden-models: $(VENV)/.test ## Record the official MLflow's schemas, enforcement and example files anew
	$$($(BIN)/python -c 'from tests.compat.environments import OFFICIAL; print(OFFICIAL["3.17"].python())') tests/models/golden/answers.py mlflow > tests/models/golden/mlflow.json

docs: $(VENV)/.test ## Print the parts of docs/ that are made from tables in the code
	$(BIN)/python -m docs.generate

clean: ## Remove what these commands made
	rm -rf $(VENV) $(FLAVORS_VENV) $(SPARK_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-data
