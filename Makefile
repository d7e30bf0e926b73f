# make demo: set everything up, train on real digits and write the run's page. make test: set everything up and check it.
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test fuzz bench lint clean

demo: $(READY)
	$(BIN)/uncollapse train digits --out runs/demo --overwrite
	$(BIN)/uncollapse report runs/demo

test: lint
	$(BIN)/pytest -n 2

# Ten thousand files of each kind, read and evaluated: a result or one line.
fuzz: $(READY)
	UNCOLLAPSE_FUZZ_FILES=10000 $(BIN)/pytest -n 2 tests/fuzz

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/training_step.py
	$(BIN)/python bench/sgan_round.py
	$(BIN)/python bench/many_networks_speed.py
	$(BIN)/python bench/stochastic_layer.py
	$(BIN)/python bench/metrics.py
	$(BIN)/python bench/remedies_cost.py
	$(BIN)/python bench/watch_cost.py
	$(BIN)/python bench/watch_frameworks.py
	$(BIN)/python bench/streaming.py

# Every install passes the constraints, so that the same versions come everywhere.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "uncollapse needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
