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

.PHONY: help lab run test test-all install refresh book test-browser test-device
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

lab: $(INSTALLED) ## work in the notebooks: open JupyterLab in your browser
	$(BIN)/python -m jupyter lab --ip=127.0.0.1 $(ALLOW_ROOT) notebooks

run: $(INSTALLED) ## execute every notebook; executed copies land in build/
	$(BIN)/python tools/run_notebooks.py

test: $(INSTALLED_DEV) ## test the helpers, and compare every notebook's outputs with those stored
	$(BIN)/python -m pytest notebooks tests -n 2 --dist loadfile --no-loadscope-reorder $(OPTIONS)

test-all: OPTIONS := -m "not browser" --cov=helpers --cov-config=pyproject.toml --cov-report=term --cov-fail-under=97
test-all: test ## contributors: the same with the tests marked slow; together they must execute 97 % of helpers/

install: $(INSTALLED) ## set up .venv, and no more

refresh: $(INSTALLED_DEV) ## contributors: execute the notebooks that a change touches, store their outputs, show the difference
	$(BIN)/python tools/refresh.py

book: $(INSTALLED_DEV) ## contributors: build the notebooks as pages, in build/book/
	$(BIN)/python tools/make_book.py

test-browser: $(INSTALLED_DEV) ## contributors: test the notebooks in JupyterLab, and the book, in Chromium
	$(BIN)/python -m pytest tests/browser -m browser -v -n 2 --dist loadscope

test-device: $(INSTALLED_DEV) ## contributors: run the notebooks on a simulated accelerator, which refuses what a GPU refuses
	TORCH_DEVICE=gpu:0 $(BIN)/python -m pytest -m device -n 2 --dist loadfile

$(INSTALLED): REQUIREMENTS := requirements.txt
$(INSTALLED_DEV): REQUIREMENTS := requirements-dev.txt
$(INSTALLED_DEV): requirements-dev.txt

# The marks are made last: an installation that was interrupted is taken up again. uv asks VIRTUAL_ENV where to install.
$(INSTALLED) $(INSTALLED_DEV): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; no '$(PYTHON)' was found."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d. Install one, then for example: make run PYTHON=python3.12" % v)'
	@$(LOCKED) $(PYTHON) -m venv .venv && VIRTUAL_ENV=.venv $(INSTALL) -r $(REQUIREMENTS) && touch $(INSTALLED) $@
