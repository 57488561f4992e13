# make run   execute every notebook; executed copies and pages land in build/
# make test  the whole test suite: the helpers, and every notebook's stored outputs
# make lab   open JupyterLab on the notebooks
# For contributors (see CONTRIBUTING.md):
# make refresh       execute the notebooks that a change may touch, store their outputs, show the difference
# make coverage      how much of helpers/ the notebooks alone execute
# make book          the notebooks as pages, in build/book/
# make test-browser  the notebooks in JupyterLab, and the book, in Chromium
# Each makes .venv first if it is not there. Choose another Python with: make run PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
# Two installations at once would spoil .venv: the first makes a folder, and removes it at its end.
LOCKED := mkdir .installing || { echo "Another make is installing here: wait until it has ended. If none is, delete .installing"; exit 1; }; \
	trap 'rmdir .installing' EXIT; trap 'exit 130' INT TERM;
COVERAGE := --cov=helpers --cov-config=pyproject.toml --cov-report=

.PHONY: run test lab refresh coverage book test-browser
.NOTPARALLEL:

run: $(INSTALLED)
	$(BIN)/python tools/run_notebooks.py

test: $(INSTALLED)
	$(BIN)/python -m pytest tests -n 2 --dist worksteal $(COVERAGE) --cov-fail-under=95
	$(BIN)/python -m pytest notebooks

lab: $(INSTALLED)
	$(BIN)/python -m jupyter lab --ip=127.0.0.1 notebooks

refresh: $(INSTALLED_DEV)
	$(BIN)/python tools/refresh.py

coverage: $(INSTALLED)
	$(BIN)/python -m pytest notebooks $(COVERAGE) --cov-fail-under=75

book: $(INSTALLED_DEV)
	$(BIN)/python tools/make_book.py

test-browser: $(INSTALLED_DEV)
	$(BIN)/python -m pytest tests/browser -m browser -v

$(INSTALLED_DEV): $(INSTALLED) requirements-dev.txt
	@$(LOCKED) $(BIN)/python -m pip install -r requirements-dev.txt && touch $@

# The mark is made last: an installation that was interrupted is taken up again.
$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; no '$(PYTHON)' was found."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d. Install one, then for example: make run PYTHON=python3.12" % v)'
	@$(LOCKED) $(PYTHON) -m venv .venv && $(BIN)/python -m pip install -r requirements.txt && touch $@
