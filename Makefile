# Every target creates what it needs. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo demo-clone test test-unit test-integration test-python test-end-to-end test-faults test-points test-ledger test-guards \
  test-slow test-compose nightly release-check packages fuzz soak check secrets bench bench-smoke bench-train bench-photos \
  bench-photo-models bench-photo-speed bench-photo-memory bench-corrections bench-label bench-label-versions bench-label-speed label-walk bench-recovery bench-memory bench-scaling \
  bench-looks clean data screenshots

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/all.stamp data  ## classify 10,000 real images, and name what to try next
	@$(BIN)/hangtag demo

# Of the commit, without what was made or changed here.
demo-clone:  ## `make demo` in an empty clone, with its installation
	@rm -rf build/clone && git clone --quiet . build/clone && mkdir -p $(REPORTS)
	@started=$$(date +%s); $(MAKE) --no-print-directory -C build/clone demo VENV=.venv && \
	  echo "$$(($$(wc -l < build/clone/demo/results.csv) - 1)) rows in $$(($$(date +%s) - started)) s, with the" \
	  "installation" > $(REPORTS)/$(STEP).note; code=$$?; \
	  build/clone/.venv/bin/hangtag down --force >/dev/null; rm -rf build/clone; exit $$code

# The suite. Markers in the test files state what a test needs (pyproject.toml has the list); no test
# file is named here. SERVERS=both|valkey|redis|one selects servers, MARKED= includes tests with the
# marker `nightly`, SHARE=n selects a sixth of the crash points, JOBS is the number of parallel
# processes: they mostly wait.
JOBS ?= $(shell expr 3 \* $$(nproc))
SERVERS ?= one
MARKED ?= not nightly
STEP ?= $@
REPORTS := build/reports
# Keep compiled files: otherwise each of the thousand processes of a run compiles them again.
unexport PYTHONDONTWRITEBYTECODE
PYTEST = @mkdir -p $(REPORTS) && $(PLACE) $(BIN)/python -m pytest -q -rs --durations=25 --durations-min=1 \
  --junitxml=$(REPORTS)/$(STEP).xml -m "$(MARKED)" --servers $(SERVERS)
# Ordinary tests have their files in memory where 4 GiB are free: a durable write waits for a disk, up to
# 25 ms. Those of faults, and `make nightly`, are on a disk: TEMPORARY=/tmp.
MEMORY := $(shell [ "$$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && \
  [ "$$(df --output=avail /dev/shm | tail -n 1)" -gt 4194304 ] && echo /dev/shm || echo /tmp)
TEMPORARY ?= $(MEMORY)
test test-unit test-integration test-python test-end-to-end: PLACE = TMPDIR=$(TEMPORARY)
DIST ?= loadscope
SIDE_BY_SIDE = -n $(JOBS) --dist $(DIST)
GUARD_JOBS ?= $(shell nproc)
# Fault tests wait even more; but with four for each processor, trainings exceed their limits beside others.
FAULT_JOBS ?= $(shell expr 3 \* $$(nproc))

# In the order of tests/conftest.py, which mixes tests that wait with tests that compute.
test: $(VENV)/dev.stamp data  ## unit, integration and end-to-end tests, on a real server; pages
	$(PYTEST) $(SIDE_BY_SIDE) \
	  tests/end_to_end tests/browser tests/integration tests/unit tests/fuzz

test-unit: $(VENV)/dev.stamp data  ## without servers and workers
	$(PYTEST) $(SIDE_BY_SIDE) tests/unit tests/fuzz

test-integration: $(VENV)/dev.stamp data  ## components, with real servers
	$(PYTEST) $(SIDE_BY_SIDE) tests/integration

test-python: $(VENV)/dev.stamp data  ## unit and integration, which the night runs on another Python
	$(PYTEST) $(SIDE_BY_SIDE) tests/integration tests/unit tests/fuzz

test-end-to-end: $(VENV)/dev.stamp data  ## the whole system: workers, trainers, the packaged model
	$(PYTEST) $(SIDE_BY_SIDE) tests/end_to_end

test-faults: $(VENV)/dev.stamp data  ## the fault matrix and the crash points
	$(PYTEST) -n $(FAULT_JOBS) --dist $(DIST) tests/faults $(if $(SHARE),--share $(SHARE))

test-points: $(VENV)/dev.stamp data  ## only the crash points, and check that each one fires
	@rm -rf build/fired
	@HANGTAG_TEST_FIRED=build/fired $(MAKE) --no-print-directory test-faults MARKED='points and not minutes' STEP=$(STEP)
	@$(BIN)/python -m tests.support.failpoints.fired build/fired > $(REPORTS)/$(STEP).note; \
	  code=$$?; cat $(REPORTS)/$(STEP).note; exit $$code

test-ledger: $(VENV)/dev.stamp  ## all histories of the ledgers, and all mutants of their scripts
	@HYPOTHESIS_PROFILE=full $(MAKE) --no-print-directory test-integration \
	  MARKED=histories DIST=load STEP=$(STEP)

# SHARE=n: one share, as in CI. ONLY=PATTERN: these mutants; GUARDS="sorting doctor": these packages.
test-guards: $(VENV)/dev.stamp data  ## the tests without each Python guard in turn: each is missed
	@TMPDIR=$(MEMORY) $(BIN)/python -m tests.mutants.guards $(GUARDS) --jobs $(GUARD_JOBS) --only '$(ONLY)' \
	  $(if $(SHARE),--share $(SHARE)) --note $(REPORTS)/$(STEP).note

test-slow: DIST = load
test-slow: MARKED = minutes
test-slow: $(VENV)/dev.stamp data  ## faults that last for minutes, with real timeouts
	$(PYTEST) $(SIDE_BY_SIDE) tests/faults

nightly: $(VENV)/dev.stamp data  ## everything, on both servers, into docs/nightly.md; WITHIN=140 minutes
	@$(BIN)/python -m tests.steps nightly $(STEPS) $(if $(WITHIN),--within $(WITHIN))

release-check: $(VENV)/dev.stamp  ## refuses while a row of the night is red or stale, or versions disagree
	@$(BIN)/python -m tests.steps release-check

# EXTRAS="worker,server review": these only.
packages: $(VENV)/dev.stamp  ## wheel and sdist of the commit, installed with each extra (minutes)
	@$(BIN)/python -m tests.packages $(EXTRAS)

MINUTES ?= 30
soak: $(VENV)/dev.stamp data  ## seeded random faults for MINUTES=30; SEED=... repeats
	@mkdir -p $(REPORTS)
	@$(BIN)/python -m tests.nemesis --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) --note $(REPORTS)/$(STEP).note

fuzz: $(VENV)/dev.stamp  ## damaged images and records, new ones each time, for MINUTES=30
	@mkdir -p $(REPORTS)
	@HYPOTHESIS_PROFILE=full HANGTAG_FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/fuzz -q -s \
	  --junitxml=$(REPORTS)/$(STEP).xml

check: $(VENV)/dev.stamp  ## ruff, mypy --strict, allowed imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python -m pytest tests/unit/project/test_boundaries.py -q

bench: $(VENV)/dev.stamp data  ## images/s beside a bare loop, Keras, Ray Data, Celery; writes the pages (long)
	@$(BIN)/python -m benchmarks.throughput

bench-smoke: $(VENV)/dev.stamp data  ## whether the benchmark runs, and no ratio has moved since the recorded run
	@$(BIN)/python -m benchmarks.throughput --images 2000 --few 20 --repeats 1 --networks dense \
	  --only bare warm cold keras celery
	@mkdir -p $(REPORTS); $(BIN)/python -m benchmarks.short > $(REPORTS)/$(STEP).note; \
	  code=$$?; cat $(REPORTS)/$(STEP).note; exit $$code

bench-train: $(VENV)/dev.stamp data  ## accuracy and minutes of training, three seeds (long)
	@$(BIN)/python -m benchmarks.training

bench-photos: $(VENV)/dev.stamp data  ## accuracy on photographs, and share of flagged images
	@$(BIN)/python -m benchmarks.photos

bench-photo-speed: $(VENV)/dev.stamp data  ## photographs through the queue, beside a bare loop; PHOTOS=DIR: real ones
	@$(BIN)/python -m benchmarks.photo_speed $(PHOTOS) $(if $(QUICK),--quick)

bench-photo-memory: $(VENV)/dev.stamp data  ## trainer and worker over 10,000 photographs of 12 megapixels
	@$(BIN)/python -m benchmarks.photo_memory

# DATA: a folder with train/ and test/; OPTIONS as in --help
bench-photo-models: $(VENV)/dev.stamp  ## accuracy and cost of heads on photos: DATA=DIR
	@$(BIN)/python -m benchmarks.photo_models $(DATA) $(OPTIONS)

bench-corrections: $(VENV)/dev.stamp  ## what corrections do for a model of photos: PHOTOS=DIR
	@$(BIN)/python -m benchmarks.corrections $(PHOTOS) $(OPTIONS)

bench-label: $(VENV)/dev.stamp  ## what hangtag label saves for unsorted photos: PHOTOS=DIR
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.first_labels $(PHOTOS) $(OPTIONS)

bench-label-versions: $(VENV)/dev.stamp  ## what versions accept that learned from first labels: PHOTOS=DIR
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.first_versions $(PHOTOS) $(OPTIONS)

bench-label-speed: $(VENV)/dev.stamp  ## the page of hangtag label with 50,000 photos: seconds, memory
	@$(BIN)/python -m benchmarks.label_speed

label-walk: $(VENV)/dev.stamp  ## the walk of docs/unsorted-photos.md, with its pictures: PHOTOS=DIR
	@$(BIN)/python -m benchmarks.label_walk $(PHOTOS) $(OPTIONS)

bench-recovery: $(VENV)/dev.stamp data  ## time until lost work resumes, beside plain Celery
	@$(BIN)/python -m benchmarks.recovery

bench-scaling: $(VENV)/dev.stamp data  ## speedup with more workers, and the most messages of the queue
	@$(BIN)/python -m benchmarks.scaling

bench-memory: $(VENV)/dev.stamp data  ## memory, descriptors and keys over 200,000 images and 20 resumes
	@$(BIN)/python -m benchmarks.memory

screenshots: demo $(VENV)/dev.stamp  ## the screenshots of docs/report.md, of the demo's table
	@PATH="$(BIN):$$PATH" $(BIN)/python -m tests.browser.screenshots

bench-looks: $(VENV)/dev.stamp data  ## report, table and compare on 10,000 and 1,000,000 rows
	@$(BIN)/python -m benchmarks.looks

secrets:  ## create a password for each part, and .env; once, before docker compose up
	@deploy/make-secrets.sh

# Uses the installed container engine, or as root installs one for the duration of the tests.
test-compose: $(VENV)/dev.stamp data  ## docker-compose.yml on a real engine: scale, kill, retrain (6 min)
	@mkdir -p $(REPORTS)
	@$(BIN)/python -m tests.compose.lab run $(REPORTS)/$(STEP).note $(BIN)/python -m pytest tests/compose -q -rs -s \
	  --junitxml=$(REPORTS)/$(STEP).xml

clean:  ## remove the environment and the demo's output
	rm -rf $(VENV) .venv-* build demo benchmarks/.data benchmarks/.venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis

data: $(VENV)/worker.stamp  ## Fashion-MNIST: Debian's package if root can install it, else a download on demand
	@$(BIN)/python -m worker.datasets.fashion_mnist || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && echo "installing Debian's package dataset-fashion-mnist" && apt-get -qq update \
	  && apt-get -qq install -y --no-install-recommends dataset-fashion-mnist >/dev/null; } || true

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Hangtag needs Python 3.11 to 3.13; name one with: make PYTHON=python3.13 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# An installation of the packaged files becomes one of the files of this folder, which is said.
PLAIN = from importlib import metadata as m; import json; d = m.distribution("hangtag"); \
  e = json.loads(d.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable"); \
  print("" if e else "hangtag in $(VENV) was installed from a copy; from now on it runs the files of this folder")
$(VENV)/worker.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(BIN)/python -c '$(PLAIN)' 2>/dev/null | grep . || true
	@echo "installing the producer, a CPU worker and the embedded server into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[worker,server]'
	@touch $@

$(VENV)/all.stamp: $(VENV)/worker.stamp
	@echo "installing training into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[all,tensorflow]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/worker.stamp
	@echo "installing training and the developers' tools into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[all,tensorflow,dev]'
	@touch $@
