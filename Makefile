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
VERSIONS := $(patsubst tests/versions/%.txt,%,$(filter-out %/lowest.txt %/newest.txt,$(wildcard tests/versions/*.txt)))
LOWEST := $(VENV)/lowest
NEWEST := $(VENV)/newest
DOCS := $(VENV)/docs
# Packages of that age have no wheels for a newer Python.
HAS_LOWEST = $(shell $(BIN)/python -c 'import sys; print(1 if sys.version_info < (3, 13) else "")')
# What depends on what is installed. The rest of the tests is about code of ours only.
LOWEST_TESTS := tests/instrumentation tests/delivery tests/api tests/gateway tests/emulator tests/viewer tests/redaction \
	tests/test_runtime.py tests/test_lower_bounds.py
# The newest LangChain has no version for Python 3.10.
HAS_NEWEST = $(shell $(BIN)/python -c 'import sys; print(1 if sys.version_info >= (3, 11) else "")')
# The tool of the site has none either.
HAS_SITE = $(HAS_NEWEST)
# What depends on the packages that we instrument, and on the frameworks that call them.
NEWEST_TESTS := tests/instrumentation tests/fidelity
PKG ?= delivery
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-python-downloads --generate-hashes \
	--no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-all test-versions test-lowest test-newest versions lowest newest collector node kafka lint format \
	docs site site-tool golden fidelity conventions record mutations soak bench dist lock hooks clean

help:  ## List what there is to make.
	@sed -n 's/^\([a-z-]*\):[^#]*## *\(.*\)/\1#\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='#' read -r name what; do \
		printf '  make %-14s %s\n' "$$name" "$$what"; done

demo: $(READY)  ## Real OpenAI client, replayed traffic, local Greenflash: shows what arrives.
	$(BIN)/greenflash-otel demo

test: $(READY)  ## Everything that must hold.
	@$(MAKE) $(AT_ONCE) collector lint lowest site-tool node kafka
	@$(MAKE) --no-print-directory test-lowest
	$(PYTEST)

test-fast: $(READY)  ## Tests, style and types of one package: make test-fast PKG=delivery.
	$(BIN)/ruff check src/greenflash_otel/$(PKG)* $(FAST_TESTS)
	$(BIN)/mypy $(wildcard src/greenflash_otel/$(PKG) src/greenflash_otel/$(PKG).py)
	$(PYTEST) $(FAST_TESTS)

test-all: test test-versions test-newest soak mutations  ## All of test, every version, and what takes hours: the soak, and seeded mistakes.

test-versions: $(VERSIONS:%=test-%)  ## Oldest and newest of what we instrument.

test-lowest: lowest  ## The core, with the lowest version of every dependency that pyproject.toml allows.
	$(if $(HAS_LOWEST),MODEL_EXAMPLES=20 $(LOWEST)/bin/python -m pytest -n auto --dist worksteal $(LOWEST_TESTS),@$(NO_LOWEST))

lowest: $(READY)  ## What test-lowest needs.
	@$(if $(HAS_LOWEST),$(MAKE) --no-print-directory $(LOWEST)/.ready,$(NO_LOWEST))

NO_LOWEST := echo 'test-lowest is left out: its packages have no wheels for Python 3.13 and newer.'

$(LOWEST)/.ready: tests/versions/lowest.txt pyproject.toml $(READY)
	$(BIN)/python -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r $<
	$(BIN)/python -c 'from hatchling.build import build_editable; build_editable("$(LOWEST)")'
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(LOWEST)/*.whl
	$(LOWEST)/bin/python -m pip check
	@touch $@

test-newest: newest  ## The instrumentations, with the newest version of all that they instrument, and the frameworks on it.
	$(if $(HAS_NEWEST),$(NEWEST)/bin/python -m pytest -n auto --dist worksteal $(NEWEST_TESTS),@$(NO_NEWEST))

newest: $(READY)  ## What test-newest needs.
	@$(if $(HAS_NEWEST),$(MAKE) --no-print-directory $(NEWEST)/.ready,$(NO_NEWEST))

NO_NEWEST := echo 'test-newest is left out: the newest LangChain needs Python 3.11.'

$(NEWEST)/.ready: tests/versions/newest.txt pyproject.toml $(READY)
	$(BIN)/python -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	$(BIN)/python -c 'from hatchling.build import build_editable; build_editable("$(NEWEST)")'
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(NEWEST)/*.whl
	@touch $@

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

lint: $(READY)  ## Layers, names, style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.naming.count_names
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 $(PLATFORMS)
	$(BIN)/mypy --platform darwin $(PLATFORMS)
	$(BIN)/pyright --pythonpath $(BIN)/python

# Where platforms differ. Nobody runs the other two here, so at least their types are checked.
PLATFORMS := src/greenflash_otel/platform_support.py

format: $(READY)  ## Put the code into shape.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(READY)  ## Write the generated pages: settings, command line, OpenAI's surfaces.
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.instrumentation.openai.matrix.page

site: site-tool  ## Build the site from docs/, strictly and without a network; in build/site.
	@$(if $(HAS_SITE),$(DOCS)/bin/python docs/build_site.py build/site && echo 'The site is in build/site.',$(NO_SITE))

site-tool: $(READY)  ## What builds the site. It is not among our packages.
	@$(if $(HAS_SITE),$(MAKE) --no-print-directory $(DOCS)/.ready,$(NO_SITE))

NO_SITE := echo 'The site is left out: mkdocstrings needs Python 3.11.'

$(DOCS)/.ready: docs/requirements.lock $(READY)
	$(BIN)/python -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

golden: $(READY)  ## Renew the golden file of request bodies; review its diff.
	$(BIN)/python -m tests.golden.renew

fidelity: $(READY)  ## Compare the conversations that arrive with those that took place; writes docs/fidelity.md.
	$(BIN)/python -m tests.fidelity.report

conventions: $(READY)  ## The same of other instrumentations' spans, in the folder GREENFLASH_OTEL_SPANS; writes docs/conventions.md.
	$(BIN)/python -m tests.fidelity.conventions

record: $(READY)  ## Run a producer against a scripted provider, and write its spans: make record PRODUCER=anthropic.
	@test -f tests/recordings/requirements/$(PRODUCER).txt || { echo 'Name a producer, one of:' \
		$(patsubst %.txt,%,$(notdir $(wildcard tests/recordings/requirements/*.txt))); exit 1; }
	$(BIN)/python -m venv --clear $(VENV)/record-$(PRODUCER)
	$(VENV)/record-$(PRODUCER)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/recordings/requirements/$(PRODUCER).txt
	$(VENV)/record-$(PRODUCER)/bin/python -m tests.recordings.record $(PRODUCER)

mutations: $(READY)  ## Seed mistakes into the conversation model and delivery, each of which tests must notice. Long.
	$(BIN)/python -m tests.mutations.run

soak: $(READY)  ## The whole proof of delivery, half an hour; SOAK_S=60 MODEL_EXAMPLES=300 shorten it, SOAK=--write keeps it.
	$(BIN)/python -m tests.faults.proof --seconds $(SOAK_S) --examples $(MODEL_EXAMPLES) $(SOAK)

bench: $(VENV)/peers/.ready  ## What instrumenting costs, side by side with not instrumenting and with others; what a gateway takes. BENCH=--write keeps it.
	$(BIN)/python tests/bench/calls.py
	PYTHONPATH=$(VENV)/peers $(BIN)/python tests/bench/threads.py
	$(BIN)/python tests/bench/gateway.py
	$(BIN)/python -m tests.bench.peers.compare $(BENCH)
	$(BIN)/python tests/bench/delivery.py $(BENCH)

$(VENV)/peers/.ready: tests/bench/peers.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(@D) -r $<
	@touch $@

dist: $(READY)  ## The wheel, with its bill of materials (SBOM) in it and beside it, and the source archive; in dist/.
	rm -rf dist
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} $(BIN)/hatchling build -d dist
	cd dist && ../$(BIN)/python -c 'import glob, zipfile as z; w = z.ZipFile(*glob.glob("*.whl")); \
		[open(n.rsplit("/", 1)[1], "wb").write(w.read(n)) for n in w.namelist() if "/sboms/" in n]'
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

lock: $(READY)  ## Renew the locks from pyproject.toml: all, what runs, the lowest and the newest versions.
	$(BIN)/pip install --quiet uv
	@sed -n 's/^\(certifi==[^ ]*\).*/\1/p' requirements.lock > $(VENV)/certifi.txt  # its newest is not in every index yet
	$(UV) pyproject.toml --all-extras --group dev --no-annotate --override $(VENV)/certifi.txt --output-file requirements.lock
	$(UV) pyproject.toml --all-extras --constraint requirements.lock --override $(VENV)/certifi.txt --annotation-style line --upgrade \
		--output-file runtime.lock
	$(UV) pyproject.toml tests/versions/lowest.in --all-extras --group test --resolution lowest-direct --upgrade \
		--constraint $(VENV)/certifi.txt --no-annotate --output-file tests/versions/lowest.txt
	@{ cat $(VENV)/certifi.txt; echo 'jiter>=0.16,<1'; } > $(VENV)/overrides.txt  # instructor forbids the jiter that openai needs
	$(subst 3.10,3.11,$(UV)) pyproject.toml tests/versions/newest.in --all-extras --group test --upgrade \
		--override $(VENV)/overrides.txt --no-annotate --output-file tests/versions/newest.txt
	$(subst 3.10,3.11,$(UV)) docs/requirements.in --upgrade --no-annotate --output-file docs/requirements.lock

hooks: $(READY)  ## Have git run style, types and layers before each commit; pre-commit must be installed.
	pre-commit install

clean:  ## Remove everything that was made here.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build .collector .kafka $(NODE)/node_modules

.PRECIOUS: $(VENV)/%/.ready
$(VENV)/%/.ready: tests/versions/%.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(@D) -r $<
	@touch $@

FAST_TESTS = $(wildcard tests/$(PKG) tests/test_$(PKG)*.py tests/instrumentation/$(PKG))

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.11 …" if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'This Python cannot make virtual environments: install python3-venv.'; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
