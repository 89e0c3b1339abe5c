# Thin targets: what each one does stands in the script or the cargo command it calls.

.PHONY: run build release manuals packages test-packages test sim compat services vm lint fmt doc deny fuzz bench bench-parts bench-pure load ci

# PROGRAMS=DIR takes built programs from there instead of building them.
run:
	@units/quickstart/run.sh $(PROGRAMS)

build:
	cargo build --locked --bins --examples

release:
	cargo build --locked --release --bins

# A .deb and an .rpm in target/packages; two tools are installed from crates.io into target/tools.
packages:
	@packaging/build.sh

# The manual page that is made of the table of directives.
manuals:
	DD_PM_WRITE_MANUALS=1 cargo test --locked --test directives_manual

# The .deb and the .rpm in a fresh Debian 12: installed, upgraded with services running, purged (root,
# mmdebstrap, rpm).
test-packages:
	@packaging/test-packages.sh

test:
	@packaging/ci/test.sh

# Beside systemd 252 (root, Debian); writes compat/REPORT.md.
compat: build
	compat/run.py all --report compat/REPORT.md

# Debian's services, started beside systemd 252 (root, mmdebstrap, a gigabyte of packages on first use);
# writes compat/SERVICES.md.
services: build
	compat/run.py services --report compat/SERVICES.md

# SEEDS=N seeds from FROM=S through the simulation of the engine, optimised.
sim:
	SIM_SEEDS=$(or $(SEEDS),100000) SIM_FROM=$(or $(FROM),1) \
		cargo test --locked --profile sim --test sim what_must -- --nocapture

# In an emulated machine with systemd and pure cgroup v2: resource control, and dd-procmgrd as a service
# of systemd; takes minutes. PARTS="limits same below packages" picks some of it.
vm:
	@tests/vm/run.sh $(PARTS)

lint:
	@packaging/ci/lint.sh

fmt:
	cargo fmt

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

deny:
	@packaging/ci/deny.sh

# TARGET=unit_files, command_lines or values; all of them, ten minutes each, if it is not set.
fuzz:
	@tests/fuzz/run.sh $(TARGET)

# Beside a bare floor, systemd 252 and the supervisors that are installed (root; some ten minutes):
# tests/bench/RESULTS.md and target/bench.json. PARTS= some of the parts of tests/bench/bench.py.
bench:
	@tests/bench/run.sh $(PARTS)

# What no budget is for: loading alone, slow stops, probes that nobody answers, keeping.
bench-parts:
	@tests/bench/run.sh parts

# Reading units, a transaction, one step of the engine, encoding properties: by criterion, without root.
bench-pure:
	@tests/bench/run.sh pure

# Five hundred clients of all manners for 30 s.
load:
	DD_PM_LOAD_SECONDS=30 cargo test --locked --test clients_load -- --nocapture

ci:
	@.ci/run
