# The commands of this project. Everything they need is installed into .venv by pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# Where this is set, each process would compile PyTorch anew when it imports it, which takes 2 s.
export PYTHONDONTWRITEBYTECODE :=
.PHONY: help demo demo-training demo-k400 demo-evaluations demo-analyses test test-random test-slow conformance fuzz check docs bench bench-full clean

help:   ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1|/' | column -t -s '|'

# The environment is brought up to date whenever the list of dependencies changes: for users, and with what tests and
# checks need besides. Python compiles what it imports; compiling all of it here would double the time, and so would
# the pip that comes with Python 3.11.
PIP_INSTALL := $(BIN)/pip install --quiet --no-compile --disable-pip-version-check
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	-$(PIP_INSTALL) --upgrade pip
$(VENV)/usable: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -c constraints.txt -e .
	touch $@
$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	touch $(VENV)/usable $@

demo: $(VENV)/usable   ## raw videos to a trained network and a page on it all, in about five minutes (demo/)
	$(BIN)/vidprep synth ssv2 --out $(DEMO)/raw/ssv2 --classes 12 --videos-per-class 48 --validation-per-class 10 --broken 0.02 --short-side 120
	$(BIN)/vidprep build demo --source $(DEMO)/raw/ssv2 --out $(DEMO)/shards/motion
	$(MAKE) --no-print-directory -j 2 -O demo-training demo-k400 3>&1
	$(MAKE) --no-print-directory -j 2 -O demo-evaluations demo-analyses
	$(BIN)/vidprep report $(DEMO) --out $(DEMO)/report.html

# Parts that do not need each other run side by side. "-O" shows the lines of a part when it is done; those of the
# training are shown as they come, by descriptor 3.
demo-training:
	$(BIN)/vidprep train --shards $(DEMO)/shards/motion --out $(DEMO)/runs/motion --resume --workers 1 >&3 2>&3

demo-k400:
	$(BIN)/vidprep synth k400 --out $(DEMO)/raw/k400 --classes 6 --videos-per-class 3 --broken 0.25
	VIDPREP_K400=$(DEMO)/raw/k400 $(BIN)/vidprep build-mini --src k400 --classes 200 \
	    --out $(DEMO)/shards/mini_k400 --set shards.samples_per_shard=16
	$(BIN)/vidprep ledger $(DEMO)/shards/mini_k400 --list rejected
	$(BIN)/vidprep verify $(DEMO)/shards/mini_k400 --decode

demo-evaluations:
	$(BIN)/vidprep eval --shards $(DEMO)/shards/motion --checkpoint $(DEMO)/runs/motion --out $(DEMO)/evals/motion
	for probe in frozen reversed; do $(BIN)/vidprep eval --shards $(DEMO)/shards/motion \
	    --checkpoint $(DEMO)/runs/motion --out $(DEMO)/evals/$$probe --probe $$probe \
	    --versus $(DEMO)/evals/motion || exit 1; done

demo-analyses:
	$(BIN)/vidprep filters --run $(DEMO)/runs/motion --out $(DEMO)/analyses/filters
	$(BIN)/vidprep erf --run $(DEMO)/runs/motion --out $(DEMO)/analyses/erf --draws 3 --frames 16 --size 64 --every 2

test: $(VENV)/installed   ## every test that is not slow, the same way each time
	$(BIN)/pytest -n 2 --dist loadfile

test-random: $(VENV)/installed   ## the tests of `make test` in random order; prints the seed of the order
	seed=$${SEED:-$$(date +%s)}; echo "In the same order again: make test-random SEED=$$seed"; \
	    $(BIN)/pytest -n 2 --dist loadfile --random-order --random-order-seed=$$seed

test-slow: $(VENV)/installed   ## the tests that take minutes
	$(BIN)/pytest -n 2 --dist loadfile -m slow

# Other people's packages, in environments of their own that also see what is in .venv.
CONFORMANCE := conformance conformance-mmaction2
$(VENV)-%/installed: $(VENV)/installed
	$(BIN)/python tests/conformance/make_environment.py $* $(@D)
	touch $@

conformance: $(CONFORMANCE:%=$(VENV)-%/installed)   ## the shards read, and trained on, by other people's packages
	for name in $(CONFORMANCE); do $(VENV)-$$name/bin/python -m pytest tests/conformance || exit 1; done

fuzz: $(VENV)/installed   ## property tests with other examples each time, for FUZZ_MINUTES (5)
	end=$$(( $$(date +%s) + 60 * $${FUZZ_MINUTES:-5} )); while [ $$(date +%s) -lt $$end ]; do \
	    seed=$$(date +%s%N | tail -c 9 | sed 's/^0*//'); \
	    echo "These again: HYPOTHESIS_PROFILE=search $(BIN)/pytest -m hypothesis --hypothesis-seed=$$seed"; \
	    HYPOTHESIS_PROFILE=search $(BIN)/pytest -q -x -m hypothesis --hypothesis-seed=$$seed || exit 1; \
	done

check: $(VENV)/installed   ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed   ## docs/api.md from the docstrings, docs/other-trainers.md from the recipes
	$(BIN)/python docs/write_api_page.py
	$(BIN)/python docs/copy_recipes.py

bench: $(VENV)/installed   ## measure loader, verify and start-up in ten minutes; BENCH_VIDEOS=DIR takes your videos
	$(BIN)/python benchmarks/quick.py --python $(BIN)/python

bench-full: $(VENV)/installed   ## every section of benchmarks/RESULTS.md but the GPU's anew, in hours; BENCH_VIDEOS=DIR needed
	test -d "$(BENCH_VIDEOS)" || { echo "BENCH_VIDEOS=DIR must name a folder of videos, got '$(BENCH_VIDEOS)'."; exit 1; }
	$(BIN)/python benchmarks/quick.py --python $(BIN)/python
	$(BIN)/python benchmarks/loader.py prepare --videos $(BENCH_VIDEOS)
	for what in compare spdl sampling clips views engine; do $(BIN)/python benchmarks/loader.py $$what || exit 1; done
	for what in clip_parts large_index endurance verify; do $(BIN)/python benchmarks/$$what.py || exit 1; done
	for what in speed work stages scaling archives plan memory; do $(BIN)/python benchmarks/build.py $$what || exit 1; done
	$(BIN)/python benchmarks/passports.py subset
	$(BIN)/python benchmarks/cluster.py
	$(BIN)/python benchmarks/scaling.py measure --clips $(BENCH_VIDEOS)
	$(BIN)/python benchmarks/segments.py
	for what in step layouts profile; do $(BIN)/python benchmarks/harness.py $$what || exit 1; done
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/mutants.py all $(BENCH_VIDEOS) --work $(DEMO)/bench-mutants

clean:   ## remove what the other commands made
	rm -rf $(VENV) $(CONFORMANCE:%=$(VENV)-%) $(DEMO) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
