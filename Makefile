# Everything is installed into .venv from pyproject.toml, at the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
RESULTS ?= results

.PHONY: install demo test test-slow test-cluster simulate fuzz faults check bench scaling scaling-page reference tour site clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# The main job on real input: a shipped sweep on a local Ray, its verdict and its report page.
demo: install
	$(BIN)/orchestrator sweep shared-representation/quickstart --results $(RESULTS)
	@echo "report page:"
	@$(BIN)/orchestrator report shared-representation/quickstart --results $(RESULTS)

# Three processes share the groups of tests/conftest.py. Compiled modules are kept: hundreds of processes import them.
test: export PYTHONDONTWRITEBYTECODE =
test: install
	$(BIN)/python -m pytest -q -m "not slow" -n 3 --dist loadscope --no-loadscope-reorder

test-slow: install
	$(BIN)/python -m pytest -q -m "slow and not cluster"

# Needs root and the packages iproute2, openssh-server and rsync. Skips, and says so, without them.
test-cluster: install
	$(BIN)/python -m pytest -q -m cluster

# Thousands of schedules of faults by seed, in one process. A schedule that fails names its seed.
SCHEDULES ?= 3000
simulate: install
	$(BIN)/python -m tests.tools.simulation --schedules $(SCHEDULES)

# Odd input by seed to every command. An input that fails is named and can be given again: --only KIND:NUMBER.
MINUTES ?= 10
SEED ?= 0
fuzz: install
	$(BIN)/python -m tests.tools.fuzz --minutes $(MINUTES) --seed $(SEED)

# Real faults against half-finished sweeps on a local Ray. The same seed kills the same processes.
KILLS ?= 60
faults: install
	$(BIN)/python -m tests.tools.faults --kills $(KILLS) --seed $(SEED)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: install
	$(BIN)/python -m benchmarks

# docs/scaling.md from new measurements, about ten minutes; needs what test-cluster needs.
scaling: install
	$(BIN)/python -m benchmarks.scaling

# The same from the measurements that are there.
scaling-page: install
	$(BIN)/python -m benchmarks.scaling page

# docs/reference, docs/tables.md, docs/kinds.md and docs/kernels.md from docstrings, parameter models and schemas.
reference: install
	$(BIN)/python -m orchestrator.reference.pages docs

# docs/tour.ipynb with what it gives.
tour: install
	$(BIN)/python tests/tools/tour.py

# build/site: the documentation as a site; open build/site/index.html.
site: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build *.egg-info
