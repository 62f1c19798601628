# Every target sets itself up: a virtual environment in the checkout, reused while setup.cfg is unchanged.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two at a time: much of what the tests do is waiting for processes. These start sooner if Python may keep what it
# has compiled, which some environments forbid.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help run test test-fast lint format train fuzz kills soak bench bench-load bench-cluster clean

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## read the scans in inbox/ and show the CSV
	@$(BIN)/digitbox run > $(VENV)/published; status=$$?; \
	  while read -r csv; do echo; cat "$$csv"; done < $(VENV)/published; \
	  if [ $$status -eq 3 ]; then echo; echo "(exit code 3: some scans could not be read; their rows say why)"; exit 0; fi; \
	  exit $$status

test: $(VENV)/test.stamp ## install the extras and run every test, the fast ones first
	$(PYTEST) -m "not slow"
	$(PYTEST) -m slow --no-loadscope-reorder

test-fast: $(VENV)/test.stamp ## run only the tests that need neither TensorFlow nor minutes
	$(PYTEST) -m "not slow"

lint: $(VENV)/test.stamp ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/test.stamp ## put the code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

SOURCES ?=
TRAIN ?=
train: $(VENV)/test.stamp ## train the default model anew from the data sets in SOURCES=FOLDER, see docs/training.md
	@test -d "$(SOURCES)" || { echo 'name the folder of the data sets: make train SOURCES=FOLDER'; exit 2; }
	$(BIN)/python -m batch.training "$(SOURCES)" "$(SOURCES)/training" $(TRAIN)

FUZZ_CASES ?= 20000
fuzz: $(VENV)/test.stamp ## read many damaged files of every format (FUZZ_CASES=20000)
	DIGITBOX_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -q tests/images/test_fuzz.py

kills: $(VENV)/test.stamp ## kill digitbox and cut its power at every single call; make test does so at every sixteenth
	KILL_EVERY=1 $(PYTEST) tests/outbox/test_protocol.py tests/outbox/test_power.py tests/outbox/test_restoration.py \
	  tests/watcher/test_loop_cleaning.py

SOAK_SECONDS ?= 180
soak: $(VENV)/test.stamp ## drop scans of all kinds and kill the watcher for minutes (SOAK_SECONDS=180)
	SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/python tests/soak.py

BENCH ?=
bench: $(VENV)/test.stamp ## measure what digitbox costs beside decoding and tf.data (BENCH="--files 10000")
	$(BIN)/python benchmarks/bench.py $(BENCH)

bench-load: $(VENV)/test.stamp ## measure a watcher under load and at rest, for a quarter of an hour (BENCH="--minutes 2")
	$(BIN)/python benchmarks/load.py $(BENCH)

bench-cluster: $(VENV)/test.stamp ## measure what Ray costs beside a local run (BENCH="--counts 10000 100000 1000000")
	$(BIN)/python benchmarks/cluster.py $(BENCH)

clean: ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "digitbox needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/test.stamp: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[train,formats,parquet,excel,s3,ray,metrics,review,test,lint]'
	@touch $(VENV)/run.stamp $@
