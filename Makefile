PYTHON ?= python3
BIN := .venv/bin
FEEDRATE := $(BIN)/feedrate
LOCKED := $(BIN)/python -m pip install --quiet --require-hashes --no-deps --only-binary :all:
# the Python that `feedrate install nvtabular` makes, for tests that import nvtabular themselves
NVTABULAR := .venv/environments/nvtabular/bin/python
# the version of Plotly's JavaScript that draws the pages' figures
PLOTLY := 4.1.1
# the real MovieLens files that tests marked `realdata` want, where they are at hand
export FEEDRATE_DATA ?= $(abspath ../shared/data)

.DEFAULT_GOAL := help
.PHONY: help bench test slow selftest check tables site docs pictures plotly install nvtabular lock docslock clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

bench: .venv/installed .venv/nvtabular  ## set up, run every loader on a small synthetic MovieLens, write runs/bench/report.html
	$(FEEDRATE) prepare synthetic-movielens --rows 200000 -o data/bench --if-missing
	$(FEEDRATE) run data/bench --loaders native,native-batched,nvtabular,cupy --batch-size 2048 --epochs 3 --repeats 1 --seeds 0,1,2 -o runs/bench --overwrite

test: .venv/installed .venv/nvtabular  ## set up, run the tests
	$(BIN)/python -m pytest tests --benchmark-skip -m "not slow" -n auto --dist worksteal
	$(NVTABULAR) -m pytest tests --benchmark-skip -m "nvtabular and not slow"

slow: .venv/installed .venv/nvtabular  ## the tests that take longer: a fresh environment, real ratings, signals. Planted faults are for `make selftest`
	$(BIN)/python -m pytest tests --benchmark-skip -m "slow and not alone" -n auto --dist worksteal --deselect tests/bench/selftest/test_faults.py
	$(BIN)/python -m pytest tests --benchmark-skip -m "slow and alone"
	$(NVTABULAR) -m pytest tests --benchmark-skip -m "nvtabular and slow"

selftest: .venv/installed  ## prove on this machine that planted faults are caught and verdicts hold: six to fifteen minutes
	$(FEEDRATE) selftest

check: .venv/installed  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tables: .venv/installed  ## write the tables of loaders in README and docs from the published records
	$(FEEDRATE) tables README.md docs/*.md

docs: .venv/docs  ## build the documents as a site into build/docs: strict, and without a network for its readers
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

pictures: .venv/installed  ## draw the pictures of README and docs from a published record (needs Chromium)
	$(BIN)/python docs/hooks/pictures.py

site: .venv/installed  ## build the site of the published records into build/site
	$(FEEDRATE) site reports/published -o build/site

plotly:  ## fetch Plotly's basic bundle from npm: write its new version and SHA-256 into tests/reports/formats/test_plotly.py
	rm -rf build/plotly && mkdir -p build/plotly
	cd build/plotly && npm pack --silent plotly.js-basic-dist-min@$(PLOTLY) && tar xzf *.tgz
	gzip -9nc build/plotly/package/plotly-basic.min.js > reports/formats/pages/plotly-basic.min.js.gz
	cp build/plotly/package/LICENSE reports/formats/pages/plotly-basic.LICENSE.txt

install: .venv/installed  ## feedrate itself, in .venv
nvtabular: .venv/nvtabular  ## NVTabular 23.8 in an environment over that one

.venv/bin/python:
	$(PYTHON) -m venv .venv

# pip installs only files with a locked hash. torch is the build for the CPU if pip's indexes have one, otherwise that for CUDA
.venv/installed: requirements.lock loaders/torch-cpu.lock loaders/torch-cuda.lock pyproject.toml | .venv/bin/python
	$(LOCKED) -r requirements.lock
	$(LOCKED) -r loaders/torch-cpu.lock 2>/dev/null || $(LOCKED) -r loaders/torch-cuda.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

.venv/docs: docs/requirements.lock .venv/installed
	$(LOCKED) -r docs/requirements.lock
	touch $@

.venv/nvtabular: loaders/nvtabular.lock .venv/installed
	$(FEEDRATE) install nvtabular
	touch $@

lock:  ## write the lock files: what pyproject.toml allows, with hashes. `make lock upgrade=--upgrade` takes the newest versions
	bash .ci/lock $(upgrade)

docslock:  ## the same for the extra docs, into docs/requirements.lock
	bash .ci/docslock $(upgrade)

clean:  ## remove everything that was made here
	rm -rf .venv build runs data
