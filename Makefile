# The environment is .venv, made from the pinned requirements; nothing else on the machine is touched.
# Tools that `make bench` compares with get environments of their own under .perennial/bench/tools.
# PYTHON=/path/to/python3 picks an interpreter, PORT=8080 the port of Airflow's UI, ONCE=1 ends the demo after its chain.

SHELL := /bin/sh
RUN := .venv/bin/python
PIN = $(RUN) -m uv pip compile -q --universal --no-header --no-annotate --generate-hashes
ONCE ?=
PORT ?=
TESTS ?= tests
STAGE ?=
SIZE ?= full
DOCS ?=
PYTHON ?=
export PYTHON
# Empty: compiled modules are kept, whatever the environment says. The tests start Python hundreds of times.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup demo check test all-tests pure-tests lint soak bench docs pictures pins sbom clean

help:
	@echo 'make demo         the whole chain under Airflow, on this machine, until Ctrl-C'
	@echo 'make demo ONCE=1  the same once; exit status 0 only if every run succeeded'
	@echo 'make check        lint, types and the tests that need no database: in about a minute'
	@echo 'make test         every check; make soak: the long ones'
	@echo 'make bench        measure against other tools; STAGE=landing for one part, SIZE=small for a trial,'
	@echo '                  DOCS=1 to write the tables into docs/reference/; STAGE=warehouse SIZE=largest'
	@echo '                  for 20 million rows, which takes hours'
	@echo 'make pins         resolve pyproject.toml into requirements*.txt again, with the hashes of all files'
	@echo 'make sbom         write sbom.json: every installed package with version and licence (CycloneDX)'
	@echo 'make docs         write the data dictionary from sql/ again'
	@echo 'make pictures     take the pictures in docs/ again, from a demo that runs in another terminal; needs Chromium'
	@echo 'make clean        remove everything that was made'

setup:
	@sh include/sandbox/demo/setup.sh

demo: setup
	@exec $(RUN) -m include.sandbox.demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

# mypy has one process: beside it the other core tests.
test: setup
	@$(MAKE) -s -j 2 lint all-tests

check: setup
	@$(MAKE) -s -j 2 lint pure-tests

all-tests: setup
	@$(RUN) -m pytest -m 'not soak' -n 2 --dist loadfile --no-loadscope-reorder --durations 15 $(TESTS)

pure-tests: setup
	@$(RUN) -m pytest -m 'pure and not soak' -n 2 --dist worksteal $(TESTS)

lint: setup
	@$(RUN) -m ruff check -q .
	@$(RUN) -m ruff format --check -q .
	@$(RUN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-cache
	@.venv/bin/codespell
	@$(RUN) -m mypy

soak: setup
	@$(RUN) -m pytest -m soak --timeout=36000 $(TESTS)

bench: setup
	@$(RUN) -m benchmarks --size $(SIZE) $(if $(DOCS),--docs) $(STAGE)

pictures: setup
	@$(RUN) -m include.sandbox.demo.pictures

docs: setup
	@$(RUN) -m include.cli metrics write

sbom: setup
	@$(RUN) -m uv --version >/dev/null 2>&1 || $(RUN) -m pip install -q uv
	@$(RUN) -m uv tool run -q --from cyclonedx-bom cyclonedx-py environment --of JSON -o sbom.json $(RUN)

pins: setup
	@$(RUN) -m uv --version >/dev/null 2>&1 || $(RUN) -m pip install -q uv
	@$(PIN) --upgrade pyproject.toml -o requirements.txt
	@$(PIN) --upgrade --extra production -c requirements.txt pyproject.toml -o requirements-production.txt
	@$(PIN) --upgrade --extra dev --extra embedded --extra production -c requirements-production.txt pyproject.toml \
		-o requirements-dev.txt

clean:
	@sh include/sandbox/demo/clean.sh
