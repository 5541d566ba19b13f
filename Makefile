# Builds, tests and runs everything; `make help` lists the targets.
#
# Nothing is built inside the clone: CACHE holds cargo's results, the Python environment and the tools,
# and every step first asks whether there is anything to do. So a second run takes seconds.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.ONESHELL:
.DEFAULT_GOAL := help

CACHE ?= $(HOME)/.cache/iasql
VENV := $(CACHE)/venv
# Where rustup puts cargo; a shell that reads no profile does not know it.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PYTHONDONTWRITEBYTECODE := 1

# The PostgreSQL to build for and to install into: any of 15 to 18.
PG_CONFIG ?= $(firstword $(shell command -v pg_config) /usr/lib/postgresql/15/bin/pg_config)
export PG_CONFIG
export PGRX_PG_CONFIG_PATH = $(PG_CONFIG)
PG_MAJOR = $(shell $(PG_CONFIG) --version 2> /dev/null | grep -oE '[0-9]+' | head -n 1)

# MODULES="aws_ecr aws_vpc" builds these alone, which saves minutes in development.
MODULES ?=
FEATURES = $(if $(MODULES),--no-default-features) --features "pg$(PG_MAJOR) $(MODULES)"
# One selection and one profile for build, check and tests: another would give the dependencies other
# features or flags, and compile the AWS SDK again for each. The clouds that tests talk to are apart for
# the same reason; the baseline of `make bench` is built along with all the others.
BENCH_FLAGS = --release --workspace --exclude iasql-front --exclude iasql-bench $(FEATURES) $(if $(CI),--locked)
CARGO_FLAGS = $(BENCH_FLAGS) --exclude iasql-baseline
FRONT_FLAGS = --release --package iasql-front --package iasql-bench --target-dir $(CACHE)/front-target
export IASQL_FRONT ?= $(CACHE)/front-target/release/iasql-front
# Never installed: what users get has no failpoints.
FAILPOINTS_FLAGS = $(CARGO_FLAGS) --features failpoints --example iasql_failpoints
export IASQL_FAILPOINTS ?= $(CARGO_TARGET_DIR)/release/examples/libiasql_failpoints.so
export IASQL_BENCH ?= $(CACHE)/front-target/release/iasql-bench
export IASQL_CLIENTS ?= $(CACHE)/clients

DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

.PHONY: help demo test bench lint fmt schema build install up psql down deps venv clients unit failpoints

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install venv ## Build, start a private PostgreSQL and an emulated AWS, run a first session
	@$(VENV)/bin/python tests/testbed.py demo

test: lint unit install failpoints clients ## Run all checks and tests
	$(VENV)/bin/python -m pytest -p no:cacheprovider -n 3 --dist worksteal tests $(PYTEST_ARGS)

bench: install venv ## Measure time, calls and memory against what AWS allows (BENCH_ARGS="--help" says what else)
	@cargo build $(BENCH_FLAGS)
	IASQL_BASELINE=$(CARGO_TARGET_DIR)/release/iasql-baseline $(VENV)/bin/python tests/speed.py $(BENCH_ARGS)

up: install venv ## Start a server with the extension, and an emulated AWS unless AWS_ENDPOINT_URL is set
	@$(VENV)/bin/python tests/testbed.py up

psql: ## Open psql on the server that `make up` started
	@python3 tests/testbed.py psql

down: ## Stop what `make up` started
	@python3 tests/testbed.py down

build: deps ## Build the extension and the clouds that tests talk to
	@set -x
	cargo build $(CARGO_FLAGS)
	cargo build $(FRONT_FLAGS)

failpoints: deps
	cargo build $(FAILPOINTS_FLAGS)

# A library that a running server has loaded must not be written over: it is moved into place.
install: build ## Install the extension into the PostgreSQL of PG_CONFIG
	@library=$(DESTDIR)$$($(PG_CONFIG) --pkglibdir) share=$(DESTDIR)$$($(PG_CONFIG) --sharedir)/extension
	mkdir -p "$$library" "$$share" && [ -w "$$library" ] && [ -w "$$share" ] || {
	    echo >&2 "no right to write to $$library: be root, or set PG_CONFIG to a PostgreSQL of yours"
	    exit 1
	}
	install -m 755 $(CARGO_TARGET_DIR)/release/libiasql.so "$$library/iasql.so.new"
	mv -f "$$library/iasql.so.new" "$$library/iasql.so"
	install -m 644 sql/iasql.control sql/iasql--*.sql "$$share"

fmt: ## Format the Rust code
	cargo fmt --all

schema: deps ## Write modules/*/schema.sql and docs/ anew from the structs
	UPDATE_EXPECT=1 cargo test $(CARGO_FLAGS) schema_

lint: deps venv $(DENY) ## Check format, shell scripts, dependencies, architecture and clippy's lints
	@cargo fmt --version > /dev/null && cargo clippy --version > /dev/null || rustup component add rustfmt clippy
	set -x
	cargo fmt --all --check
	$(VENV)/bin/shellcheck .ci/run
	$(DENY) check bans licenses sources
	$(VENV)/bin/python -m pytest -q -p no:cacheprovider tests/test_architecture.py
	cargo clippy $(CARGO_FLAGS) -- -D warnings
	: tests are processes of their own, and so are clouds and baseline, which may do what a backend may not
	cargo clippy $(BENCH_FLAGS) --tests -- -D warnings -A clippy::disallowed_methods
	cargo clippy $(FRONT_FLAGS) --all-targets -- -D warnings -A clippy::disallowed_methods

unit: deps
	@set -x
	cargo test $(CARGO_FLAGS)
	cargo test $(FRONT_FLAGS)

# Installs those of Debian's packages that $$want names and that are missing.
define debian
installed=$$(dpkg-query --show --showformat '$${Package} $${db:Status-Status}\n' $$want 2> /dev/null || true)
missing=
for package in $$want; do
    grep -qx "$$package installed" <<< "$$installed" || missing+=" $$package"
done
if [ "$$missing" ]; then
    if ! command -v apt-get > /dev/null || [ "$$(id -u)" != 0 ]; then
        echo >&2 "missing, and installed only on Debian and by root:$$missing"
        exit 1
    fi
    echo "installing:$$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --no-install-recommends $$missing > /dev/null
fi
endef

# What a build and a private server need.
deps:
	@want="clang gcc libc6-dev libclang-dev pkg-config"
	[ -e "$$($(PG_CONFIG) --includedir-server 2> /dev/null)/postgres.h" ] &&
	    [ -e "$$($(PG_CONFIG) --bindir)/initdb" ] ||
	    want+=" postgresql-$(or $(PG_MAJOR),15) postgresql-server-dev-$(or $(PG_MAJOR),15)"
	python3 -c 'import ensurepip' 2> /dev/null || want+=" python3-venv"
	$(debian)
	[ -x "$(PG_CONFIG)" ] || { echo >&2 "no PG_CONFIG at $(PG_CONFIG)"; exit 1; }

# Java, and Maven to fetch with; Node comes as a Python package; libpq is for Diesel.
clients: venv ## Install the clients that the tests run (Flyway, TypeORM, ...)
	@want=
	command -v java > /dev/null || want+=" default-jre-headless"
	command -v mvn > /dev/null || want+=" maven"
	[ -e "$$($(PG_CONFIG) --includedir)/libpq-fe.h" ] || want+=" libpq-dev"
	$(debian)
	$(VENV)/bin/python tests/clients/packages.py

# The copy of the requirements is written last: it says what the environment holds.
venv: deps
	@cmp -s tests/requirements.txt $(VENV)/requirements.txt && exit
	$(VENV)/bin/python -m pip --version > /dev/null 2>&1 || python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	cp tests/requirements.txt $(VENV)/requirements.txt

# As a debug build, which compiles in a minute and checks the tree in one second all the same.
$(DENY):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug cargo-deny@$(DENY_VERSION) \
	    --root $(CACHE)/cargo-deny-$(DENY_VERSION) --target-dir $(CACHE)/cargo-deny-target
	rm -rf $(CACHE)/cargo-deny-target
