# A bare `make` lists the targets. Each sets up .venv first, once. Variables:
#   make lab PYTHON=python3.12                                  another Python
#   make lab INSTALL="uv pip install --torch-backend cpu"       without the CUDA libraries, by uv

PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
# Two installations at once would spoil .venv: the first makes a folder, and removes it at its end.
LOCKED := mkdir .installing || { echo "Another make is installing here: wait until it has ended. If none is, delete .installing"; exit 1; }; \
	trap 'rmdir .installing' EXIT; trap 'exit 130' INT TERM;
ALLOW_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
# Two processes of one thread each use two cores better than one of two threads. Linux's malloc would hand large blocks
# back to the system in every step, and have them cleared in the next.
PARALLEL := OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2000000000
COVERAGE := --cov=helpers --cov-config=pyproject.toml --cov-report=

.PHONY: help lab run test install refresh book test-browser test-device coverage
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

lab: $(INSTALLED) ## work in the notebooks: open JupyterLab in your browser
	$(BIN)/python -m jupyter lab --ip=127.0.0.1 $(ALLOW_ROOT) notebooks

run: $(INSTALLED) ## execute every notebook; executed copies land in build/
	$(BIN)/python tools/run_notebooks.py

test: $(INSTALLED_DEV) ## test the helpers, and compare every notebook's outputs with those stored
	$(PARALLEL) $(BIN)/python -m pytest notebooks tests -n 2 --dist loadfile --no-loadscope-reorder \
		$(COVERAGE) --cov-fail-under=97

install: $(INSTALLED) ## set up .venv, and no more

refresh: $(INSTALLED_DEV) ## contributors: execute the notebooks that a change touches, store their outputs, show the difference
	$(BIN)/python tools/refresh.py

book: $(INSTALLED_DEV) ## contributors: build the notebooks as pages, in build/book/
	$(BIN)/python tools/make_book.py

test-browser: $(INSTALLED_DEV) ## contributors: test the notebooks in JupyterLab, and the book, in Chromium
	$(PARALLEL) $(BIN)/python -m pytest tests/browser -m browser -v -n 2 --dist loadscope

test-device: $(INSTALLED_DEV) ## contributors: run the notebooks on a simulated accelerator, which refuses what a GPU refuses
	TORCH_DEVICE=gpu:0 $(PARALLEL) $(BIN)/python -m pytest -m device -n 2 --dist loadfile

coverage: $(INSTALLED_DEV) ## contributors: measure how much of helpers/ the notebooks execute
	$(BIN)/python -m pytest notebooks $(COVERAGE) --cov-fail-under=75

$(INSTALLED): REQUIREMENTS := requirements.txt
$(INSTALLED_DEV): REQUIREMENTS := requirements-dev.txt
$(INSTALLED_DEV): requirements-dev.txt

# The marks are made last: an installation that was interrupted is taken up again. uv asks VIRTUAL_ENV where to install.
$(INSTALLED) $(INSTALLED_DEV): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; no '$(PYTHON)' was found."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d. Install one, then for example: make run PYTHON=python3.12" % v)'
	@$(LOCKED) $(PYTHON) -m venv .venv && VIRTUAL_ENV=.venv $(INSTALL) -r $(REQUIREMENTS) && touch $(INSTALLED) $@
