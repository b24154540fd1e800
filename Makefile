# Everything a newcomer types. `make help` explains; `make demo` is the place to start.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# The newest Python that really runs: some tools leave commands on the path that do not.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --group build pyproject.toml
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
export PYTHONUTF8 := 1

.PHONY: help setup demo test test-livekit fuzz peers check format lock bench-latency bench-lines bench-api bench-turns bench-peers peer-locks crash-test journals bad-providers clean

help: ## Say what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.uv: requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "Strowger needs Python 3.11 or newer, and found none. Try: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "· making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python cannot make a virtual environment here; on Debian: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/local.txt pyproject.toml
	@echo "· installing what Strowger needs to run"
	@$(INSTALL) --require-hashes -r requirements/local.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "· installing what the tests need"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.run ## .venv with everything to run
	@echo "ready: $(BIN)/strowger --help"

demo: $(VENV)/.run ## Place one real call on this machine and show it live
	@$(BIN)/strowger demo

peers: ## SIPp, baresip, ffmpeg and flite for the tests, by apt where they are missing
	@scripts/peers.sh

# Files of tests that run at once. More than there are cores: a whole call mostly waits.
TEST_PROCESSES ?= 3

test: $(VENV)/.dev peers ## Run the whole test suite
	@PYTHONASYNCIODEBUG=1 $(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST)

# livekit-agents brings a model licence that binds who installs it: never into $(VENV).
.livekit/.installed: requirements/livekit.txt pyproject.toml | $(VENV)/.uv
	@echo "· installing livekit's plugins into .livekit"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .livekit
	@$(BIN)/uv pip install --quiet --python .livekit/bin/python --require-hashes -r $<
	@$(BIN)/uv pip install --quiet --python .livekit/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

test-livekit: .livekit/.installed ## The bridge to livekit's plugins, with some of these installed (mind their licence)
	@PYTHONASYNCIODEBUG=1 .livekit/bin/pytest tests/providers/test_livekit_bridge.py tests/providers/test_livekit_vendors.py $(PYTEST)

fuzz: $(VENV)/.dev ## Ask the API fifty times as much by its document as the test suite does
	@STROWGER_FUZZ_EXAMPLES=300 $(BIN)/pytest tests/api/test_openapi_fuzz.py $(PYTEST)

check: $(VENV)/.dev ## Format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_architecture.py

format: $(VENV)/.dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.uv ## Renew requirements/*.txt from pyproject.toml
	$(LOCK) --output-file requirements/base.txt
	$(LOCK) --extra local --output-file requirements/local.txt
	$(LOCK) --extra local --group dev --output-file requirements/dev.txt
	$(LOCK) --extra local --extra livekit-plugins --group dev requirements/livekit.in --output-file requirements/livekit.txt
	echo uv | $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url - --output-file requirements/uv.txt

bench-latency: $(VENV)/.run ## Response latency, measured at the RTP wire by the far end
	@$(BIN)/strowger bench latency

bench-lines: $(VENV)/.run ## Simultaneous lines against a load generator in another process
	@$(BIN)/strowger bench lines

bench-api: $(VENV)/.run ## Calls accepted, read and listed per second, and POST to INVITE
	@$(BIN)/python -m bench.api

bench-turns: $(VENV)/.run ## Whole conversations with streaming providers: cost, response time, barge-in
	@$(BIN)/python -m bench.turns $(TURNS)

# Other makers' engines, with dependencies that are none of ours.
.peers/%/.installed: bench/peers/%.txt | $(VENV)/.run
	@echo "· installing $* into .peers/$*"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .peers/$*
	@$(BIN)/uv pip install --quiet --python .peers/$*/bin/python --require-hashes -r $<
	@touch $@

bench-peers: .peers/livekit/.installed .peers/pipecat/.installed ## The same conversations by Strowger, livekit-agents and pipecat
	@$(BIN)/python -m bench.peers.compare $(TURNS)

peer-locks: $(VENV)/.uv ## Renew bench/peers/*.txt
	for peer in livekit pipecat; do $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url bench/peers/$$peer.in --output-file bench/peers/$$peer.txt; done

crash-test: $(VENV)/.dev ## Kill every process under load, for ten minutes, and hold the outcome to account
	@$(BIN)/python -m tests.crash $(CRASH)

journals: $(VENV)/.dev ## Hold the calls of the tests' corpus anew, after decisions were changed on purpose
	@rm -f tests/captures/journals/*.jsonl
	@$(BIN)/strowger simulate run tests/captures/journals --journals tests/captures/journals

bad-providers: $(VENV)/.dev ## Hold 1000 calls whose providers fail at random: CALLS=1000
	@STROWGER_TEST_CALLS=$(or $(CALLS),1000) $(BIN)/pytest -q tests/calls/test_bad_providers.py

clean: ## Remove the environment and what runs left behind
	rm -rf $(VENV) .livekit .mypy_cache .pytest_cache .ruff_cache .hypothesis demo-data
