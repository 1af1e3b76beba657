# Everything a person or CI runs, one word each. Needs Python 3.11 or newer and make, nothing else.
.POSIX:

PYTHON ?= python3
# Processes the tests run in; many tests wait, so that a quiet machine has room for one more than it has cores.
JOBS ?= 2
# Extra arguments: make run ARGS="--data /srv/pulse", make test ARGS="-k market".
ARGS ?=

BIN = .venv/bin
PY = $(BIN)/python
# Where the environment forbids it nothing is compiled once and for all: each of some hundred processes does it again.
TESTED = PYTHONDONTWRITEBYTECODE= $(PY) -m pytest

# Leaves a .venv that works alone; otherwise makes one, with a Python that is new enough or not at all.
VENV = if ! $(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || found=missing; \
		case $$found in \
			3.1[1-9] | 3.[2-9][0-9]) ;; \
			*) echo "sfe-pulse needs Python 3.11 or newer; $(PYTHON) is $$found:" \
				"install a newer one or run make PYTHON=python3.12 …" >&2; exit 1 ;; \
		esac; \
		$(PYTHON) -m venv --clear .venv || { echo "python could not make .venv: on Debian and Ubuntu" \
			"install the package python3-venv, then run make again" >&2; exit 1; }; \
	fi

# Installs $$lock into .venv unless that very text is there already; $$stamps are the locks it contains.
SYNC = sum() { { pwd; cat "$$1" pyproject.toml; } | cksum; }; \
	if [ "$$(cat .venv/.$$lock 2>/dev/null)" != "$$(sum $$lock)" ]; then \
		echo "installing $$lock into .venv"; \
		$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $$lock && \
		$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
		for stamp in $$stamps; do sum $$stamp > .venv/.$$stamp || exit 1; done; \
	fi

help:
	@echo 'make run         install into .venv and start sfe-pulse with local services (pulse up; ARGS="…" is passed on)'
	@echo 'make test        install what the tests need and run them'
	@echo 'make install     the installation alone'
	@echo 'make check       format, lint, types, import contracts, generated documents: what CI asks before the tests'
	@echo 'make test-full   the slow tests too: the whole real data set'
	@echo 'make test-kafka  the engine suite on a real Apache Kafka; needs java (17 or newer) and mvn'
	@echo 'make bench       measure the time from an event to its alert light (ARGS="--rate 1000 --seconds 30")'
	@echo 'make bench-rules  measure the compliance rules beside plain Python and eval (ARGS="--reps 60 --days 60")'
	@echo 'make bench-gateway  measure what an event costs through the gateway beside producing it directly'
	@echo 'make schemas     write docs/schemas from the models'
	@echo 'make openapi     write docs/openapi.json from the gateway'
	@echo 'make dictionary  write docs/data-dictionary.md from the database'
	@echo 'make proof       judge a simulated quarter with planted breaches, write docs/compliance-proof.md'
	@echo 'make boards      write grafana/dashboards and the alert rules from the signals'
	@echo 'make lock        write both lock files from pyproject.toml (ARGS=--upgrade takes newer versions)'
	@echo 'make clean       remove .venv and caches; the data folder stays'

install:
	@$(VENV)
	@lock=requirements.lock; stamps=$$lock; $(SYNC)

install-test:
	@$(VENV)
	@lock=requirements-test.lock; stamps="$$lock requirements.lock"; $(SYNC)

run: install
	@exec $(BIN)/pulse up $(ARGS)

test: install-test
	$(TESTED) -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-full: install-test
	$(TESTED) -m 'full and not kafka' $(ARGS)

test-kafka:
	@for tool in java mvn; do \
		if ! command -v $$tool >/dev/null 2>&1; then \
			echo "test-kafka: $$tool was not found, so the suite on a real Kafka was not run"; exit 0; \
		fi; \
	done; \
	$(MAKE) install-test && echo '$(PY) -m pytest -m kafka tests/kafka' && $(TESTED) -m kafka tests/kafka $(ARGS)

check: install-test
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(BIN)/lint-imports
	$(PY) -m schemas.publish --check docs/schemas
	$(PY) -m streams.gateway.openapi --check
	$(PY) -m streams.dictionary --check
	$(PY) -m grafana.build --check

bench: install
	$(PY) -m bench.light_latency $(ARGS)

bench-rules: install
	$(PY) -m bench.rules $(ARGS)

bench-gateway: install
	$(PY) -m bench.gateway_ingest $(ARGS)

schemas: install-test
	$(PY) -m schemas.publish docs/schemas

openapi: install-test
	$(PY) -m streams.gateway.openapi

dictionary: install-test
	$(PY) -m streams.dictionary

proof: install-test
	$(BIN)/pulse policy prove --out docs/compliance-proof.md

boards: install-test
	$(PY) -m grafana.build

lock:
	@$(VENV)
	@rm -rf .venv/lock && $(PY) -m venv .venv/lock && .venv/lock/bin/python -m pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --output-file requirements.lock $(ARGS) pyproject.toml
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --constraint requirements.lock --extra test \
		--output-file requirements-test.lock $(ARGS) pyproject.toml

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: help install install-test run test test-full test-kafka check bench bench-rules bench-gateway schemas openapi dictionary boards proof lock clean
