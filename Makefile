# What a machine needs for this: Python 3.11 or newer, git and make. Everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
BIN := .venv/bin
# Steps call the tools of the environment even when it is not activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-all check docs benchmark-decisions paper gpu-check clean

demo: .venv/installed  ## The main job on real data: two cohorts of TCGA-BRCA (2 to 3 minutes on 2 cores).
	$(BIN)/cch run config/cohorts.tsv --cores $(CORES)

PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --dist loadfile --durations 20

test: .venv/installed  ## What the README promises (4 to 10 minutes on 2 cores).
	$(PYTEST) --numprocesses 2 -m "not slow"

# In the order of the folders: those of Slurm begin early, and wait most of the time while others run.
test-all: .venv/installed  ## All tests: a real Slurm and its faults, coverage of intervals, long runs of the workflow as well.
	$(PYTEST) --numprocesses 3 --no-loadscope-reorder

check: .venv/installed  ## Format, lint and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

docs: .venv/docs  ## The site, into docs/_build/html: tutorial executed, no warning, no broken link.
	$(BIN)/sphinx-build --fail-on-warning --keep-going docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,slurm]'
	@touch $@

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

# Cohorts, and a folder for the predictions; neither belongs to the repository.
DATA ?= ../shared/data
DECISIONS ?= research/build/decisions
benchmark-decisions: .venv/installed  ## The advice against its rivals, on halves of every cohort (an hour; can be stopped and started again): a page in the folder.
	OMP_NUM_THREADS=1 $(BIN)/python -m research.benchmarks.decisions --data $(DATA) --output $(DECISIONS) --processes 2

# A folder for the cases of the paper's experiments.
PAPER ?= research/build/paper
paper: .venv/installed  ## The paper's own experiments (at most 2 hours on 2 cores; can be stopped and started again): docs/paper.md and its figures.
	OMP_NUM_THREADS=1 $(BIN)/python -m research.paper --data $(DATA) --output $(PAPER) --page docs/paper.md

# The machine's own Python, whose torch was built for its card.
GPU_PYTHON ?= $(PYTHON)
gpu-check:  ## On a machine with a GPU (8 minutes at most): does it give the numbers of the CPU, and how fast? Prints a table.
	@$(GPU_PYTHON) -c "import numpy, pandas, pydantic, scipy, torch" 2>/dev/null || \
		{ echo "error: $(GPU_PYTHON) needs numpy, pandas, pydantic, scipy and torch; make gpu-check GPU_PYTHON=... takes another Python"; exit 2; }
	@$(GPU_PYTHON) -m research.benchmarks.gpu

clean:  ## Forget what runs have made; the environment and the downloads stay.
	rm -rf results logs .snakemake docs/_build docs/made
