# One command per wish; each sets up what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
RUN := .venv/bin
LAB_PACKAGES := iproute2 strongswan-charon strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: ## two agents measure ExpressRoute and VPN side by side in the built-in lab (DEMO_SECONDS=30)
	@setup/environment run
	@setup/system-packages $(LAB_PACKAGES)
	@exec $(RUN)/eragent demo --duration $${DEMO_SECONDS:-30}s

test: environment ## the whole test suite (root runs all of it; TESTS= names a part)
	@setup/system-packages $(LAB_PACKAGES) procps systemd iperf3
	@setup/prometheus
	@$(RUN)/python -m pytest $(TESTS)

install: environment ## install into /opt/eragent, with the systemd unit (as root)
	@setup/install

deb: environment ## a Debian package in dist/ (DEB_PYTHON=3.11: of the hosts it is for; this host's by default)
	@systemd/deb/build dist $(DEB_PYTHON)

rpm: environment ## an rpm in dist/ (RPM_PYTHON=3.11: of the hosts it is for)
	@setup/system-packages rpm
	@systemd/rpm/build dist $(RPM_PYTHON)

wheel: environment ## a wheel in dist/, for pipx or an environment of your own
	@$(RUN)/hatchling build --target wheel --directory $(or $(WHEEL_FOLDER),dist)

test-systemd: environment ## boots a system of its own and lives through a service's life in it (as root; RELEASE=jammy, noble, trixie)
	@setup/system-packages debootstrap systemd-container lintian rpm cloud-init ansible-core
	@setup/bicep
	@$(RUN)/python -m pytest -m systemd $(TESTS)

lint: environment ## style, types and the direction of imports
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports

format: environment ## rewrite the sources in the project's style
	@$(RUN)/ruff check --fix --quiet . || true
	@$(RUN)/ruff format --quiet .

bench: environment ## the measurements of the benchmarks folder
	@setup/system-packages iproute2 tcpdump irtt iperf3
	@setup/prometheus
	@$(RUN)/python -m benchmarks

bench-accuracy: environment ## eragent beside ping, fping, irtt and others, as docs/accuracy.md (ACCURACY_SECONDS=60)
	@setup/system-packages iproute2 tcpdump gcc libc6-dev
	@setup/peers
	@$(RUN)/python -m benchmarks.peers --seconds $${ACCURACY_SECONDS:-60}

statistics: environment ## simulate comparisons whose truth is known, for an hour and a half, as docs/statistics.md (SIMULATED_RUNS=1000)
	@$(RUN)/python -m benchmarks.statistics --runs $${SIMULATED_RUNS:-1000}

fuzz: environment ## ten million mutated packets against all that reads a network (FUZZ_DATAGRAMS=)
	@$(RUN)/python -m tests.fuzz --datagrams $${FUZZ_DATAGRAMS:-10000000}

generate: environment ## rewrite what is generated: dashboards, configuration reference and schema
	@$(RUN)/python -m dashboards.generate
	@$(RUN)/python -m docs.generate
	@$(RUN)/python -m docs.metrics

lock: ## pin the requirements anew (needs uv)
	@setup/lock

environment:
	@setup/environment dev

.PHONY: help demo test test-systemd deb rpm wheel install lint format bench bench-accuracy statistics fuzz generate lock environment
