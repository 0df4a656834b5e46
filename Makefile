# Everything that a fresh machine with python3 and make needs. The environment lives in .venv.

PORT ?= 8000
BIN := .venv/bin
# uv of the machine, else the one that `setup` installs into the environment.
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup run test quick check coverage lint random bench soak fuzz policies ways corpus clients schemas workers kit contention replicas outages galera docs

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

.venv/.made:
	@scripts/make-environment
	@touch $@

.venv/.served: .venv/.made pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --inexact --no-default-groups --group serve --all-extras
	@touch $@

.venv/.developed: .venv/.made pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --inexact --all-extras
	@touch $@ .venv/.served

setup: .venv/.developed  ## Make the environment with everything in it

run: .venv/.served  ## Serve the users API on PORT (8000), DATABASE_URL or a SQLite file
	@echo "Users API: http://127.0.0.1:$(PORT)/users/ and http://127.0.0.1:$(PORT)/people  Docs: http://127.0.0.1:$(PORT)/docs"
	@exec $(BIN)/python -m uvicorn --app-dir examples/users main:app --host 127.0.0.1 --port $(PORT)

test: setup  ## Run every test, on every backend
	@scripts/install-servers
	@$(BIN)/python -m pytest -n 3 --dist worksteal

quick: setup  ## Run the tests that need no server, on SQLite, but those that take an eighth of a second or more
	@$(BIN)/python -m pytest -n 2 --dist worksteal --backend sqlite -m "not long" --durations=10 --durations-min=1

check: setup  ## Check style, layers and types, quickly
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

coverage: setup  ## Run every test, and measure that they reach 100 % of src, by branches
	@scripts/install-servers
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest -n 3 --dist worksteal --cov --cov-report=term --cov-fail-under=100

lint: setup  ## Check style, types, layers and spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@PYTHONPATH=$(CURDIR)/src:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		$(BIN)/pyright --verifytypes ormolu --ignoreexternal
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/towncrier build --draft --version 0 >/dev/null

random: setup  ## Run the tests of random models, rows and requests with 10 times as many of them; TIMES=100 for a night
	@scripts/install-servers
	@TIMES=$(or $(TIMES),10) $(BIN)/python -m pytest -n 2 --timeout 0 tests/resources/test_front_door.py \
		tests/resources/test_front_door_models.py tests/resources/test_lists.py \
		tests/resources/test_programs.py tests/resources/test_three_ways.py

bench/peers/.venv/.made: .venv/.made bench/peers/requirements.txt
	@$(UV) venv --quiet --clear --python $(BIN)/python bench/peers/.venv
	@$(UV) pip install --quiet --python bench/peers/.venv/bin/python -r bench/peers/requirements.txt
	@touch $@

bench: setup bench/peers/.venv/.made  ## Measure beside the guide's program and the peers; OPTIONS="--help"
	@$(BIN)/python -m bench $(OPTIONS)

soak: setup  ## Load the SQLite driver for 10 minutes, and watch memory, threads and the log
	@$(BIN)/python -m bench.soak

fuzz: setup  ## Send requests made from the shop's OpenAPI document for 10 minutes
	@$(BIN)/python -m tests.resources.fuzz 600

ways: setup  ## Compare doors, routes on lanes and sessions over random requests of users; 3 URLs of empty databases
	@$(BIN)/python -m tests.resources.three_ways --url $(or $(URLS),$(foreach n,1 2 3,sqlite:///$(shell mktemp -d)/$(n).db))

corpus: setup  ## Write and read models like those of public projects by doors and by sessions; 2 URLs of empty databases
	@$(BIN)/python -m tests.corpus.round_trip --url $(or $(URLS),$(foreach n,1 2,sqlite:///$(shell mktemp -d)/$(n).db))

policies: setup  ## Compare random models under random policies with plain Python; URL of an empty database
	@$(BIN)/python -m tests.resources.random_policies --url $(or $(URL),sqlite:///$(shell mktemp -d)/policies.db)

schemas: setup  ## Migrate between 200 random pairs of schemas, there and back, on each backend
	@scripts/install-servers
	@for backend in sqlite psycopg mariadb; do \
		$(BIN)/python -W ignore -m tests.migrations.round_trip --pairs 200 --backend $$backend || exit 1; done

workers: setup  ## Let 8 processes migrate at once, 20 rounds on each backend
	@scripts/install-servers
	@ROUNDS=20 $(BIN)/python -m pytest -q tests/migrations/test_workers.py

clients: setup  ## Generate clients from the shop's OpenAPI document, and use them; needs npx
	@scripts/check-clients

contention: setup  ## Let 200 increments and 500 crossing transfers meet, on each server; 4 minutes for PostgreSQL's deadlocks
	@scripts/install-servers
	@for backend in sqlite mariadb asyncpg psycopg; do \
		$(BIN)/python -W ignore -m tests.reliability.contention --backend $$backend || exit 1; done

replicas: setup  ## Read one's own writes from replicas half a second behind, and kill one under load; 2 minutes
	@scripts/install-servers
	@for backend in asyncpg psycopg mariadb; do \
		$(BIN)/python -W ignore -m tests.reliability.replicas --backend $$backend || exit 1; done

outages: setup  ## Let each server go silent, stop, reset, restart and run out of room at work; 12 minutes, as root
	@scripts/install-servers
	@for backend in sqlite asyncpg psycopg mariadb; do \
		$(BIN)/python -W ignore -m tests.reliability.outages --backend $$backend || exit 1; done

galera: setup  ## Kill a node of a cluster of three MariaDB servers under load, and bring it back; 2 minutes
	@scripts/install-servers
	@$(BIN)/python -W ignore -m tests.reliability.galera

docs: setup  ## Build the site of the documentation in site/
	@$(UV) sync --quiet --locked --inexact --all-extras --group docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The site begins at site/index.html"

kit: setup  ## Measure 500 tests that each write and commit, on SQLite and PostgreSQL
	@$(BIN)/python -m tests.testing.floors
