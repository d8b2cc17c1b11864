# Every target creates what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-others test-unit test-integration test-end-to-end test-faults test-faults-ci test-faults-valkey test-faults-redis \
  test-ledger test-slow fuzz soak check secrets test-compose \
  bench bench-train bench-photos bench-recovery bench-memory bench-scaling bench-transport clean data

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/worker.stamp data  ## classify 10,000 real pictures and show the table
	@$(BIN)/python -m producer.demo

# Side by side: what is tested with servers mostly waits.
test: $(VENV)/dev.stamp data  ## unit, integration and end-to-end tests, on a real server
	@$(MAKE) --no-print-directory -j2 test-integration test-others

test-others: test-unit
	@$(MAKE) --no-print-directory test-end-to-end

test-unit: $(VENV)/dev.stamp data  ## without servers and workers
	@$(BIN)/python -m pytest tests/unit tests/fuzz -q -rs

test-integration: $(VENV)/dev.stamp data  ## parts, with real servers
	@$(BIN)/python -m pytest tests/integration -q -rs

test-end-to-end: $(VENV)/dev.stamp data  ## the whole system: workers, trainers, the model that ships
	@$(BIN)/python -m pytest tests/end_to_end -q -rs

# Both servers side by side: what is tested mostly waits.
test-faults: $(VENV)/dev.stamp data  ## the fault matrix: kill everything, on Valkey and on Redis
	@$(MAKE) --no-print-directory -j2 test-faults-valkey test-faults-redis
	@$(MAKE) --no-print-directory test-ledger

# As much of it as fits into half an hour.
test-faults-ci: $(VENV)/dev.stamp data
	@$(MAKE) --no-print-directory -j2 test-faults-valkey VALKEY_TESTS='$(CI_TESTS)' \
	  test-faults-redis REDIS_TESTS='$(CI_REDIS_TESTS)'
	@$(MAKE) --no-print-directory test-ledger

faults = $(patsubst %,tests/faults/test_%.py,$(1))
VALKEY_TESTS ?= tests/faults
# What asks nothing of the server that these files do not ask is run on Valkey alone;
# REDIS_TESTS=tests/faults runs all of it.
REDIS_TESTS ?= $(call faults,background cancelled child_killed disk_full hint_lost hostile_ledger \
  hostile_messages limits memory_squeezed no_worker partition producer_killed redis_away refused \
  secrets server_lost server_restarts server_slow trainer_requests two_jobs worker_asleep \
  worker_killed worker_reconnects)
# The two lanes are about as long: what asks nothing of the server is in either.
CI_TESTS = $(call faults,changed_files child_killed claim_given_back closed_folders disk disk_full \
  hostile_ledger hostile_references many_hosts memory_squeezed names points_of_producers \
  points_of_workers poison producer_killed redis_away refused retry_failed same_bytes secrets \
  server_restarts trainer_ends trainer_killed transport version_gone)
CI_REDIS_TESTS = $(call faults,background cancelled child_killed hint_lost hostile_ledger \
  hostile_messages limits no_worker partition producer_killed refused_tls server_lost \
  server_restarts trainer_requests two_jobs watchdog worker_asleep worker_killed worker_reconnects)

test-faults-valkey: $(VENV)/dev.stamp data
	@HANGTAG_TEST_SERVER=valkey $(BIN)/python -m pytest $(VALKEY_TESTS) -q -rs

test-faults-redis: $(VENV)/dev.stamp data
	@HANGTAG_TEST_SERVER=redis $(BIN)/python -m pytest $(REDIS_TESTS) -q -rs

test-ledger: $(VENV)/dev.stamp  ## every history of the ledgers that chance thinks of
	@HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest tests/integration/test_ledger.py \
	  tests/integration/test_requests_history.py -q -rs

test-slow: $(VENV)/dev.stamp data  ## faults that last for minutes, with the real times (an hour)
	@$(BIN)/python -m pytest tests/slow -q -rs

MINUTES ?= 30
soak: $(VENV)/dev.stamp data  ## seeded random faults for MINUTES=30; SEED=... repeats
	@$(BIN)/python -m tests.nemesis --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/dev.stamp  ## damaged pictures and records, anew each time, for MINUTES=30
	@HYPOTHESIS_PROFILE=full HANGTAG_FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/fuzz -q -s

check: $(VENV)/dev.stamp  ## ruff, mypy --strict, the imports' arrows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/unit/test_boundaries.py -q

bench: $(VENV)/dev.stamp data  ## images/s beside a bare loop, Keras and Ray Data (long)
	@$(BIN)/python -m benchmarks.run

bench-train: $(VENV)/dev.stamp data  ## accuracy and minutes of training, three seeds (long)
	@$(BIN)/python -m benchmarks.train_bench

bench-photos: $(VENV)/dev.stamp data  ## what photographs cost in accuracy, and what is flagged
	@$(BIN)/python -m benchmarks.photos

bench-recovery: $(VENV)/dev.stamp data  ## how long until lost work goes on, beside Celery alone
	@$(BIN)/python -m benchmarks.recovery

bench-scaling: $(VENV)/dev.stamp data  ## what more workers bring, and where the queue ends
	@$(BIN)/python -m benchmarks.scaling

bench-transport: $(VENV)/dev.stamp data  ## --transport path beside inline
	@$(BIN)/python -m benchmarks.transport

bench-memory: $(VENV)/dev.stamp data  ## memory, descriptors and keys over 200,000 pictures and 20 resumes
	@$(BIN)/python -m benchmarks.memory

secrets:  ## once, before docker compose up: a password for each part, and .env
	@deploy/make-secrets.sh

# With any engine that is there. Without one, or where it cannot have the base images, nothing is
# said about the compose file.
test-compose: $(VENV)/dev.stamp data  ## docker-compose.yml for real: scale, kill, retrain (5 min)
	@if ! docker compose version >/dev/null 2>&1 || ! docker info >/dev/null 2>&1; then \
	  echo "SKIPPED compose (no container engine; install Docker and its compose plugin)"; exit; fi; \
	lack=$$($(BIN)/python -m tests.compose.bases) || exit; \
	if [ -n "$$lack" ]; then echo "SKIPPED compose ($$lack)"; exit; fi; \
	$(BIN)/python -m pytest tests/compose -q -rs -s

clean:  ## remove the environment and what the demo wrote
	rm -rf $(VENV) demo benchmarks/.data benchmarks/.venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Fashion-MNIST: Debian's package where root may install it; elsewhere it is downloaded on demand.
data: $(VENV)/worker.stamp
	@$(BIN)/python -m worker.fashion_mnist || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && echo "installing Debian's package dataset-fashion-mnist" && apt-get -qq update \
	  && apt-get -qq install -y --no-install-recommends dataset-fashion-mnist >/dev/null; } || true

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Hangtag needs Python 3.11 to 3.13; name one with: make PYTHON=python3.13 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/worker.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing the producer, a CPU worker and the embedded server into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[worker,server]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/worker.stamp
	@echo "installing training and the developers' tools into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[all,dev]'
	@touch $@
