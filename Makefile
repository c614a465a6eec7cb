# `make demo` and `make test` set up what they need in .venv and do their work; nothing else is asked of you.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOAK_S ?= 600
MODEL_EXAMPLES ?= 20000
GO := $(shell command -v go || ls /usr/local/go/bin/go 2>/dev/null)
COLLECTOR := .collector/otelcol
NODE := tests/collector/node
KAFKA := .kafka
# Over all cores.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal
# What one target writes stays together, where make can do that.
AT_ONCE := --jobs=2 --no-print-directory $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
VERSIONS := $(patsubst tests/versions/%.txt,%,$(wildcard tests/versions/*.txt))

.PHONY: demo test test-versions versions collector node kafka lint format docs golden fidelity conventions mutations soak bench lock clean

demo: $(READY)  ## Real OpenAI client, replayed traffic, local Greenflash: shows what arrives.
	$(BIN)/greenflash-otel demo

test: $(READY)  ## Everything that must hold.
	@$(MAKE) $(AT_ONCE) collector lint versions node kafka
	@$(MAKE) --no-print-directory test-versions
	$(PYTEST)

test-versions: $(VERSIONS:%=test-%)  ## Oldest and newest of what we instrument.

test-openai-%: $(VENV)/openai-%/.ready
	PYTHONPATH=$(VENV)/openai-$* $(PYTEST) tests/instrumentation/openai

test-langchain-%: $(VENV)/langchain-%/.ready
	PYTHONPATH=$(VENV)/langchain-$* $(PYTEST) tests/instrumentation/langchain

versions: $(VERSIONS:%=$(VENV)/%/.ready)  ## What test-versions needs.

collector: $(if $(GO),$(COLLECTOR))  ## The OpenTelemetry Collector of the tests, where there is Go. Two minutes, once.

# Its modules and their hashes are in go.mod and go.sum. Not optimised: that takes half the time to build.
$(COLLECTOR): tests/collector/builder.yaml tests/collector/go.mod tests/collector/go.sum
	-PATH="$(dir $(GO)):$$PATH" && $(GO) run go.opentelemetry.io/collector/cmd/builder@v0.152.0 --config $< \
		--skip-get-modules --skip-compilation --skip-strict-versioning && cd $(@D) && \
		$(GO) build -mod=readonly -modfile=$(abspath $(word 2,$^)) -buildvcs=false \
		-gcflags="all=-N -l -dwarf=false" -ldflags="-s -w" -o $(@F) .

node: $(if $(shell command -v npm),$(NODE)/node_modules/.ready)  ## What the tests' application in JavaScript needs, where there is npm.

$(NODE)/node_modules/.ready: $(NODE)/package-lock.json
	-npm ci --silent --prefix $(NODE) && touch $@

kafka: $(if $(shell command -v mvn),$(KAFKA)/.ready)  ## The Kafka of the tests, where there are Java and Maven.

$(KAFKA)/.ready: tests/collector/kafka/pom.xml
	-mvn -q -B -f $< org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DoutputDirectory=$(abspath $(KAFKA)) -DincludeScope=runtime && touch $@

lint: $(READY)  ## Layers, style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(READY)  ## Put the code into shape.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(READY)  ## Write the generated pages: settings, command line, OpenAI's surfaces.
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.instrumentation.openai.matrix.page

golden: $(READY)  ## Renew the golden file of request bodies; review its diff.
	$(BIN)/python -m tests.golden.renew

fidelity: $(READY)  ## Compare the conversations that arrive with those that took place; writes docs/fidelity.md.
	$(BIN)/python -m tests.fidelity.report

conventions: $(READY)  ## The same of other instrumentations' spans, in the folder GREENFLASH_OTEL_SPANS; writes docs/conventions.md.
	$(BIN)/python -m tests.fidelity.conventions

mutations: $(READY)  ## Seed mistakes into the conversation model and delivery, each of which tests must notice. Long.
	$(BIN)/python -m tests.mutations.run

soak: $(READY)  ## The whole proof of delivery, half an hour; SOAK_S=60 MODEL_EXAMPLES=300 shorten it, SOAK=--write keeps it.
	$(BIN)/python -m tests.faults.proof --seconds $(SOAK_S) --examples $(MODEL_EXAMPLES) $(SOAK)

bench: $(VENV)/peers/.ready  ## What instrumenting costs, side by side with not instrumenting and with others; what a gateway takes.
	$(BIN)/python tests/bench/calls.py
	PYTHONPATH=$(VENV)/peers $(BIN)/python tests/bench/threads.py
	$(BIN)/python tests/bench/gateway.py

$(VENV)/peers/.ready: tests/bench/peers.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(@D) -r $<
	@touch $@

lock: $(READY)  ## Renew requirements.lock from pyproject.toml.
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

clean:  ## Remove everything that was made here.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build .collector .kafka $(NODE)/node_modules

.PRECIOUS: $(VENV)/%/.ready
$(VENV)/%/.ready: tests/versions/%.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(@D) -r $<
	@touch $@

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.11 …" if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'This Python cannot make virtual environments: install python3-venv.'; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
