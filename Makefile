# make run   execute every notebook; executed copies and pages land in build/
# make test  the whole test suite: the helpers, and every notebook's stored outputs
# make lab   open JupyterLab on the notebooks
# Each makes .venv first if it is not there. Choose another Python with: make run PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
COVERAGE := --cov=helpers --cov-config=pyproject.toml --cov-report=

.PHONY: run test lab
.NOTPARALLEL:

run: $(INSTALLED)
	$(BIN)/python tools/run_notebooks.py

test: $(INSTALLED)
	$(BIN)/python -m pytest tests -n 2 --dist worksteal $(COVERAGE) --cov-fail-under=95
	$(BIN)/python -m pytest notebooks $(COVERAGE) --cov-fail-under=75

lab: $(INSTALLED)
	$(BIN)/python -m jupyter lab --ip=127.0.0.1 notebooks

# The mark is made last: an installation that was interrupted is taken up again.
$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; no '$(PYTHON)' was found."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d. Install one, then for example: make run PYTHON=python3.12" % v)'
	@mkdir .installing || { echo "Another make is installing here: wait until it has ended. If none is, delete .installing"; exit 1; }; \
	trap 'rmdir .installing' EXIT; trap 'exit 130' INT TERM; \
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install -r requirements.txt && touch $@
