VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DATA_DIR ?= ../shared/data
STEPS ?= 2300
.DEFAULT_GOAL := help
.PHONY: help install install-train run test lint format distil train evaluate benchmarks bench clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.serve: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.serve requirements-train.txt requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

install: $(VENV)/.serve ## Make .venv with what serving needs

install-train: $(VENV)/.dev ## Add what training and tests need

run: install ## Serve the shipped checkpoint on KALM_HOST:KALM_PORT (127.0.0.1:8080)
	exec $(BIN)/python -m service

lint: $(VENV)/.dev ## Style, types, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test: lint ## Lint, then run all tests
	$(BIN)/python -m pytest

distil: $(VENV)/.dev ## Make the multilingual encoder (DATA_DIR holds the public data)
	$(BIN)/python -m training distil --data-dir $(DATA_DIR) --steps 5000 --output runs/encoder

runs/projected.jsonl.gz: | $(VENV)/.dev
	$(BIN)/python -m training project --data-dir $(DATA_DIR) --output $@

train: $(VENV)/.dev runs/projected.jsonl.gz ## Fine-tune runs/encoder into runs/kalm-mini
	$(BIN)/python -m training train --base-model runs/encoder --data-dir $(DATA_DIR) --steps $(STEPS) \
		--projected runs/projected.jsonl.gz --output runs/kalm-mini

evaluate: $(VENV)/.dev ## Measure the shipped checkpoint; the report goes to reports/
	$(BIN)/python -m training evaluate --report reports/kalm-mini

benchmarks: $(VENV)/.dev ## Measure the shipped checkpoint on public sets (DATA_DIR)
	$(BIN)/python -m training benchmarks --data-dir $(DATA_DIR) --report reports/kalm-mini

$(VENV)/.bench: $(VENV)/.dev requirements-bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@

bench: $(VENV)/.bench ## Measure speed beside peers on this machine (needs wrk); the page goes to docs/
	$(BIN)/python -m benchmarks --report docs/benchmarks.md

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
