# Every command that this project has. `make` alone lists them.

CARGO ?= cargo
export CARGO
TARGET := $(or $(CARGO_TARGET_DIR),target)
export HYPRSTREAM_BIN := $(abspath $(TARGET))/release/hyprstream

.DEFAULT_GOAL := help
.PHONY: help demo test clients soak fuzz bench lint figures build prerequisites

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## build in release, start the server, run a session through psql and leave it running
	@demo/run

test: prerequisites ## run every test, the heavy ones at reduced counts (ten minutes once dependencies are built)
	@test -d "$(TARGET)/debug/deps" || echo "First build: DataFusion and llama.cpp are compiled, 15 to 25 minutes on two cores."
	$(CARGO) test --workspace --locked

clients: prerequisites ## the tests through psql, Flight SQL and tokio-postgres clients, at full counts
	HYPRSTREAM_FULL=1 $(CARGO) test --locked --test end_to_end -- --nocapture --test-threads=1 psql flight streaming adapter

soak: prerequisites ## the crash, corruption and fault tests at full counts, every byte flipped, and 100,000 INSERTs
	HYPRSTREAM_FULL=1 HYPRSTREAM_KILLS=$(or $(HYPRSTREAM_KILLS),60) $(CARGO) test --locked --test end_to_end -- --nocapture --test-threads=1 kill space flips
	HYPRSTREAM_CRASH_SCHEDULES=10000 HYPRSTREAM_MUTATIONS=100000 HYPRSTREAM_SNAPSHOT_READS=1000000 \
	HYPRSTREAM_INTERLEAVINGS=10000 HYPRSTREAM_GROUP_FAULTS=4000 $(CARGO) test --release --locked -p hyprstream-storage -- --nocapture

fuzz: prerequisites ## property tests and damaged files, a hundred thousand cases each, and the fuzz targets
	@scripts/fuzz

bench: build ## measure against the peers, both sides in one run
	@scripts/bench

lint: prerequisites ## formatting, clippy, unused dependencies; licences, sources and advisories of all dependencies
	@scripts/lint

figures: ## lines, functions, folders, imports and unused dependencies, crate by crate
	@scripts/figures

build: prerequisites
	@test -x "$(HYPRSTREAM_BIN)" || echo "First release build: DataFusion and llama.cpp are compiled, 20 to 50 minutes on two cores."
	$(CARGO) build --release --locked

prerequisites:
	@scripts/prerequisites
