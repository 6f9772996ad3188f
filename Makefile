# Kindred: `make demo` and `make test` do everything on a fresh machine. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
SERVE ?= 1
TORCH_INDEX ?=
SEEDS ?= 1
ONLY ?=
JOBS ?= 2
# Tests wait for servers about half of their time: three processes keep two cores busy.
WORKERS ?= 3

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pip compiles one module after another; all processors do it together afterwards. setuptools warns of every editable install.
INSTALL := PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-compile
COMPILE := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true

.PHONY: help demo neo4j neo4j-stop java test check lint bench tables examples notebooks screenshots screenshots-curators screenshots-shops shops typescript promises wheel-test clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/bin/pip:
	@echo "==> Creating the virtual environment $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Kindred needs Python 3.11 or newer, got $$($(PYTHON) --version). Try: make PYTHON=python3.12 …"; exit 1; }
	@keep=""; $(PYTHON) -c 'import torch' 2>/dev/null && keep="--system-site-packages" && echo "    (keeping the torch that $(PYTHON) has)"; \
	 $(PYTHON) -m venv $$keep $(VENV) || { rm -rf $(VENV); \
	   if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	     echo "==> python3-venv is missing; installing it"; apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $$keep $(VENV); \
	   else echo "python3 -m venv failed. On Debian: sudo apt-get install python3-venv"; exit 1; fi; }
	@$(INSTALL) --upgrade pip || echo "==> pip stays as it is; Debian's takes half a minute longer to find what fits together"

# torch comes with the other packages, in one resolution, unless it is there or TORCH_INDEX names where to take it from.
$(VENV)/.torch: | $(VENV)/bin/pip
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then echo "==> torch is already installed, keeping it"; \
	 elif [ -n "$(TORCH_INDEX)" ]; then echo "==> Installing torch from $(TORCH_INDEX)"; $(INSTALL) torch --index-url "$(TORCH_INDEX)"; \
	 else echo "==> torch's default build brings CUDA libraries, about 5 GB; TORCH_INDEX= takes smaller CPU wheels"; fi
	@touch $@

$(VENV)/.train: pyproject.toml | $(VENV)/.torch
	@echo "==> Installing Kindred and its training packages"
	@$(INSTALL) --editable '.[train]'
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.torch
	@echo "==> Installing Kindred, its training packages and the development packages"
	@$(INSTALL) --editable '.[train,dev]'
	@$(COMPILE)
	@touch $(VENV)/.train $@

demo: ## install, ingest real MovieLens, train, evaluate, serve (SERVE=0 stops after printing; PORT=8000)
	@start=$$(date +%s.%N); $(MAKE) --no-print-directory $(VENV)/.train && \
	 KINDRED_INSTALL_S=$$(echo "$$(date +%s.%N) $$start" | awk '{print $$1 - $$2}') \
	 $(BIN)/kindred demo --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve,)

neo4j: $(VENV)/.train ## a Neo4j Community server without Docker (KINDRED_NEO4J_HOME=var/neo4j, NEO4J_LINE=5)
	@$(BIN)/kindred neo4j start

neo4j-stop: $(VENV)/.train ## stop that server
	@$(BIN)/kindred neo4j stop

java: # what the Neo4j tests need, where it can be installed; without it they say that they did not run
	@command -v java >/dev/null && command -v mvn >/dev/null && exit 0; \
	 if command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then \
	   sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; echo "==> Installing a JDK and Maven for the Neo4j tests"; $$sudo apt-get update -qq; \
	   for jdk in openjdk-17-jre-headless default-jre-headless; do \
	     $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$jdk maven >/dev/null 2>&1 && exit 0; done; fi; \
	 echo "==> No JDK or no Maven: the Neo4j tests will not run. On Debian: sudo apt-get install openjdk-17-jre-headless maven"

test: $(VENV)/.dev java ## the whole test suite, Neo4j included where there is a JDK
	@$(BIN)/pytest -n $(WORKERS)

lint: $(VENV)/.dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## what CI runs

bench: $(VENV)/.dev ## benchmarks with peers in the same run, into docs/benchmarks.md (ONLY="neo4j sqlite": the others keep their rows)
	@command -v wrk >/dev/null || echo "==> wrk is not there: slower Python makes the HTTP load. On Debian: apt-get install wrk"
	@env -u OPENBLAS_CORETYPE OMP_NUM_THREADS=2 $(BIN)/python -m tests.benchmarks.run $(ONLY)

tables: $(VENV)/.train ## quality tables into docs/quality.md (needs KINDRED_DATA_DIR; SEEDS=1; JOBS=2 side by side, up to 5 GB each)
	@env -u OPENBLAS_CORETYPE $(BIN)/kindred tables --seeds $(SEEDS) --jobs $(JOBS)

examples: $(VENV)/.train ## run every curl example against the demo's release and write its answer into the docs
	@$(BIN)/python -m tests.examples

screenshots: $(VENV)/.dev ## pictures of the page over the demo's release, into docs/images (needs chromium)
	@$(BIN)/python -m tests.screenshots

shops: $(VENV)/.train ## ask two real shops, and write their answers into docs/shops.md (needs KINDRED_DATA_DIR)
	@$(BIN)/python -m tests.shop_pages

typescript: $(VENV)/.dev ## write the TypeScript client's types from the API's description
	@$(BIN)/python -m tests.typescript

notebooks: $(VENV)/.dev ## run every notebook and write it beside itself with its outputs
	@$(BIN)/python -m tests.notebooks

promises: $(VENV)/.dev ## write docs/how-it-is-tested.md
	@$(BIN)/python -m tests.promises

screenshots-curators: $(VENV)/.dev ## pictures of Neo4j Browser into docs/images, from the test that uses it
	@mkdir -p docs/images && KINDRED_SCREENSHOTS=docs/images $(BIN)/pytest tests/neo4j/test_browser.py

screenshots-shops: $(VENV)/.dev ## public shops on Neo4j: pictures and the walk of docs/curators.md (needs KINDRED_DATA_DIR, chromium)
	@$(BIN)/python -m tests.neo4j.shops_seen

wheel-test: $(VENV)/.dev ## build the wheel, install it into an empty environment, run it outside the checkout
	@rm -rf build dist && $(BIN)/python -m build --wheel --outdir dist . >/dev/null
	@wheel=$$(ls $(CURDIR)/dist/*.whl); place=$$(mktemp -d); cd $$place && $(abspath $(BIN))/python -m venv --without-pip empty \
	  && $(abspath $(BIN))/pip --python empty/bin/python install --quiet --no-compile "$$wheel" && empty/bin/kindred doctor && empty/bin/kindred sources \
	  && echo "wheel-test: the wheel installs and runs outside a checkout"; status=$$?; rm -rf $$place; exit $$status

clean: ## remove the environment, builds and var/
	rm -rf $(VENV) build dist var api/client/typescript/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
