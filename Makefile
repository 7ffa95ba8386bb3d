# Imaging Ingestion. `make` lists what there is. Needs Python 3.11 or newer and nothing else.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PYTHON ?=
PYTEST_ARGUMENTS ?= -n auto --dist loadgroup

python := .venv/bin/python
# The web in production form, for Django's own deployment checks.
deployed := INGESTION_HTTPS_ONLY=true INGESTION_LOG_LEVEL=error \
    INGESTION_PUBLIC_BASE_URL=https://imaging.example

.PHONY: help run demo test check format interop bench docs clean requirements environment-run environment-dev

help: ## List the targets
	@echo 'Imaging Ingestion'
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-20s %s\n", $$1, $$2 }'

# The leash ends the supervisor with make, however make ends.
run: environment-run ## Run everything on this machine: web, DIMSE, workers and their servers
	@exec $(python) ingestion/embedded/leash.py SIGTERM "$$PPID" same $(python) -m ingestion.embedded

# npm fetches the viewer once; the studies are generated and stored once.
demo: environment-run ## Run everything with phantom studies and the OHIF viewer (needs npm)
	@$(python) -m dicomweb.viewer.install "$${INGESTION_STATE_FOLDER:-var}/viewer"
	@exec $(python) ingestion/embedded/leash.py SIGTERM "$$PPID" same \
	    $(python) -m ingestion.embedded store_demonstration

test: environment-dev ## Run the tests, with real servers of their own (PYTEST_ARGUMENTS=…)
	$(python) -m pytest $(PYTEST_ARGUMENTS)

check: environment-dev ## Check format, lint, types, layers, migrations, deployment, generated files
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy
	$(python) -c 'from importlinter.cli import lint_imports_command as check; check()'
	$(python) -m tests.services $(python) manage.py makemigrations --check --dry-run
	$(deployed) $(python) -m tests.services $(python) manage.py check --deploy --fail-level WARNING
	$(python) -m tests.services $(python) manage.py write_configuration_docs --check

format: environment-dev ## Format the code and mend what ruff can
	$(python) -m ruff format .
	$(python) -m ruff check --fix .

interop: environment-dev ## Test against foreign programs (installs Debian packages, fetches npm's)
	sh tests/interop/install.sh
	$(python) -m tests.interop.npm_packages
	$(python) -m pytest tests/interop $(PYTEST_ARGUMENTS)

bench: environment-dev ## Measure, against peers where they are installed
	$(python) -m bench

docs: environment-dev ## Write the generated pages of docs/
	$(python) -m tests.services $(python) manage.py write_configuration_docs

requirements: environment-dev ## Compile requirements*.txt with hashes from pyproject.toml
	$(python) -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --python-version 3.11 --extra embedded pyproject.toml -o requirements.txt
	$(python) -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --python-version 3.11 --extra embedded --extra dev -c requirements.txt \
	    pyproject.toml -o requirements-dev.txt

clean: ## Remove the virtual environment and caches; data in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment-run:
	@PYTHON='$(PYTHON)' sh .ci/environment run

environment-dev:
	@PYTHON='$(PYTHON)' sh .ci/environment dev
