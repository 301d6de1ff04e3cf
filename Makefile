# Every task of the project; CI calls the same ones.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The libraries are built once for the demo and the tests, so both select the whole workspace.
BUILD := cargo build --locked --workspace --bins
COMPOSE := docker compose -f compose/compose.yaml
VISITORS ?= 200
SEEDS ?= 1000
MINUTES ?= 60

.PHONY: help setup test-setup build demo test test-engines tracker pictures sim soak siege golden measure fuzz lint fmt up down fresh test-containers notebook bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

setup: ## fetch what the build needs (again: nothing happens)
	@compose/setup.sh build

test-setup: setup ## fetch the real programs that the tests start: browser, Kafka, object stores
	@compose/setup.sh tests

build: setup ## build the binary, target/debug/clickweir
	@if [ ! -x target/debug/clickweir ]; then echo "build: the first time takes about 6 minutes on two cores"; fi
	$(BUILD)

demo: build ## everything in one process, with visitors who browse and buy (ONCE=1 ends after the summary)
	@exec target/debug/clickweir --config compose/demo/demo.toml up --visitors $(VISITORS) --set sink.max_age=1s --set catalog.every=1s $(if $(ONCE),--once)

test: test-setup build ## every test, on a real Kafka, a real object store and a real browser
	cargo test --locked --workspace

test-engines: test-setup build ## the lake, read by Spark, Flink, ClickHouse and Delta too (2.6 GB; some minutes after that)
	@compose/setup.sh engines
	CLICKWEIR_ENGINES=all cargo test --locked --workspace --test all -- readers:: tables:: long_reads:: --nocapture --test-threads=1

# Its first line names the digest of its source; a test compares.
TRACKER := producer/assets/clickweir
tracker: ## make the tracker that the edge serves, clickweir.min.js, of its source
	sum=$$(sha256sum $(TRACKER).js | cut -c -16); \
	small=$$(npx --yes terser@5.51.4 --compress --mangle -- $(TRACKER).js); \
	printf '%s\n' "// Clickweir's tracker, Apache-2.0, made of clickweir.js $$sum" "$$small" >$(TRACKER).min.js

pictures: test-setup build ## take the README's pictures anew
	CLICKWEIR_PICTURES=$(CURDIR)/tests/pictures cargo test --locked --workspace --test all the_walk_

lint: setup ## format, clippy, and licences and advisories where cargo-deny is there
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	if command -v cargo-deny >/dev/null; then cargo deny --workspace check; \
	else echo "lint: cargo-deny is not installed; the licences are checked by the tests, advisories are not"; fi

fmt: ## format the code
	cargo fmt --all

soak: test-setup build ## kills, freezes and cuts of real processes at half load (MINUTES=60), then the audit
	CLICKWEIR_SOAK_MINUTES=$(MINUTES) cargo test --locked --workspace --test all the_soak -- --nocapture

siege: build ## statements that are made to harm, beside a load: every function and all of the list (some 20 minutes)
	CLICKWEIR_SIEGE=all cargo test --locked --workspace --test all siege -- --nocapture

SECONDS_EACH ?= 3600
fuzz: setup ## requests, records, files and settings, changed at random (SECONDS_EACH=3600; SEED=17 plays a seed again)
	CLICKWEIR_FUZZ_SECONDS=$(SECONDS_EACH) $(if $(SEED),CLICKWEIR_SEED=$(SEED)) \
	cargo test --locked --workspace --test all fuzz:: -- --nocapture --test-threads=1

golden: test-setup build ## keep a topic and a lake of today's format, which later versions must read (once a format)
	CLICKWEIR_GOLDEN=keep cargo test --locked --workspace --test all golden::fault_41_what_this

measure: setup ## how much of what others call an attack the rules find, and what they take wrongly (two minutes)
	CLICKWEIR_MEASURE=all cargo test --locked --workspace --lib input_28 -- --nocapture

up: ## start the containers: Redpanda, MinIO, one edge, two transformers, one dashboard, one compactor
	$(COMPOSE) up --detach --build --wait

down: ## stop the containers; their volumes stay
	$(COMPOSE) down

test-containers: test-setup build ## compose.yaml in containers, then the tests on them (an engine, or Debian 12 and root; 40 minutes)
	@compose/containers/test.sh

sim: setup ## the seeded simulation, on every core (SEEDS=1000; SEED=17 plays one seed again)
	CLICKWEIR_SEEDS=$(SEEDS) $(if $(SEED),CLICKWEIR_SEED=$(SEED)) \
	cargo test --locked --workspace --test all -- sim::nothing sim::every_planted --nocapture --test-threads=1

fresh: ## README's commands and the Dockerfile's lines in new Debians (root; needs debootstrap; 45 minutes)
	@compose/fresh.sh

notebook: setup ## run the notebook on the lake of the demo, into data/clicks.ipynb
	@compose/setup.sh notebook
	@test -e data/lake/published/clickweir.duckdb || { echo "nothing is published yet: make demo first" >&2; exit 1; }
	cp catalog/notebook/clicks.ipynb data/clicks.ipynb
	CLICKWEIR_PUBLISHED=$(CURDIR)/data/lake/published/clickweir.duckdb \
	vendor/notebook/bin/jupyter execute --inplace data/clicks.ipynb
	@echo "the notebook with its figures: data/clicks.ipynb"

# The bench selects the whole workspace as the build does, so that both share the libraries.
bench: setup ## the benches beside their peers, some 50 minutes after the build (BENCH="s1 --rows 200000 --runs 1")
	@compose/setup.sh bench
	@if [ ! -x target/release/clickweir ]; then echo "bench: the release build takes about 12 minutes on two cores"; fi
	cargo build --release --locked --workspace --bins
	cargo bench --locked --workspace --bench bench -- $(BENCH)
