# Everything that there is to do in a checkout. On a bare Debian 12 only git, make, python3 and python3-venv
# are needed: the rest is set up in .venv and .engines, once, and again when what they depend on has changed.

PYTHON ?= python3
BIN := .venv/bin
ENGINES := $(CURDIR)/.engines/sid/usr/bin
WITH_ENGINES := MAC_PROMTOOL=$(ENGINES)/promtool MAC_AMTOOL=$(ENGINES)/amtool \
	MAC_PROMETHEUS=$(ENGINES)/prometheus MAC_ALERTMANAGER=$(ENGINES)/prometheus-alertmanager \
	MAC_BLACKBOX_EXPORTER=$(ENGINES)/prometheus-blackbox-exporter

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-inventory bench-forecast bench-history bench-lag bench-noise soak soak-sync agreement format docs venv engines browser clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 8,26

demo: venv engines ## Run all of it on an embedded AWS: DEMO="--machines 20000 --keep"
	@$(WITH_ENGINES) $(BIN)/mac demo $(DEMO)

test: venv engines browser ## Run the tests: TESTS="tests/test_cli.py -k help"
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(TESTS)

check: venv ## Check format, lint, types and the import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

format: venv ## Format the code, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: venv engines ## Measure mac on 50,000 rules beside promtool
	$(WITH_ENGINES) $(BIN)/python benchmarks/rules.py

bench-inventory: venv ## Measure the reading of 100,000 machines: BENCH="--instances 1000"
	@PYTHONPATH=$(CURDIR) $(BIN)/python benchmarks/inventory.py $(BENCH)

bench-forecast: venv engines ## Measure what a forecast costs a Prometheus: BENCH="--rules 100 --days 3"
	@$(WITH_ENGINES) PYTHONPATH=$(CURDIR) $(BIN)/python benchmarks/forecast.py $(BENCH)

bench-noise: venv engines ## Measure what is said of a simulated fleet: BENCH="--hosts 700 --seeds 1,2,3"
	@$(WITH_ENGINES) $(BIN)/python -m benchmarks.noise.run $(BENCH)

bench-lag: venv engines ## Measure how long a launched machine is unwatched: BENCH="--machines 20000"
	@$(WITH_ENGINES) PYTHONPATH=$(CURDIR) $(BIN)/python -m benchmarks.lag $(BENCH)

bench-history: venv ## Measure how Git's history grows with targets in it and outside: BENCH="--rounds 10"
	$(BIN)/python benchmarks/history.py $(BENCH)

soak: venv engines ## Fail each page of each call in every way, for all kinds, and count what is lost
	timeout 3600 $(BIN)/python -m tests.faults

soak-sync: venv engines ## Run two mac sync in every fault, and look what is left: SOAK="--minutes 3"
	timeout 3600 $(BIN)/python -m tests.soak $(SOAK)

agreement: venv engines ## Compare the forecast with promtool and Alertmanager of three generations, at length
	timeout 3600 $(BIN)/python tests/agreement.py

docs: venv ## Write docs/cli.md, docs/kinds.md and docs/library.md anew from the code
	$(BIN)/python scripts/cli_docs.py
	$(BIN)/python scripts/kinds_docs.py
	$(BIN)/python scripts/standards_docs.py

venv: ## Set up .venv
	@$(PYTHON) scripts/venv.py

engines: ## Unpack Prometheus and Alertmanager of three generations into .engines
	@$(PYTHON) scripts/engines.py

browser: ## Unpack a headless Chromium into .engines, for the tests of the site
	@$(PYTHON) scripts/browser.py

clean: ## Remove what was set up and cached
	rm -rf .venv .engines .hypothesis .mypy_cache .ruff_cache .pytest_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
