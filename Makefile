# Thin targets: what each one does stands in the script or the cargo command it calls.

.PHONY: run build release test sim lint fmt doc deny ci

# PROGRAMS=DIR takes built programs from there instead of building them.
run:
	@units/quickstart/run.sh $(PROGRAMS)

build:
	cargo build --locked --bins --examples

release:
	cargo build --locked --release --bins

test:
	@packaging/ci/test.sh

# SEEDS=N seeds from FROM=S through the simulation of the engine, optimised.
sim:
	SIM_SEEDS=$(or $(SEEDS),100000) SIM_FROM=$(or $(FROM),1) \
		cargo test --locked --profile sim --test sim what_must -- --nocapture

lint:
	@packaging/ci/lint.sh

fmt:
	cargo fmt

doc:
	cargo doc --locked --no-deps --document-private-items

deny:
	cargo deny check

ci:
	@.ci/run
