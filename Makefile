# gridhil. Needs Python >= 3.11 and make; everything else is installed into .venv from requirements.lock.

.DEFAULT_GOAL := help
SHELL := /bin/sh
ARGS ?=
# Imported modules are kept compiled, whatever the shell says: a gateway that restarts has no time for it.
unexport PYTHONDONTWRITEBYTECODE

# The first interpreter that is new enough; "make PYTHON=/path/to/python3.11 ..." chooses another.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done)
BIN := .venv/bin
# One thread per process: the loop has a core, numerical libraries must not take the others.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1

.PHONY: help install run test check format bench tflite docs lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="..." is passed on, for instance: make run ARGS="--duration 30"'

install: ## make .venv and install the locked packages (done once)
	@test -n "$(PYTHON)" || { echo "gridhil needs Python 3.11, 3.12 or 3.13; none was found on PATH." \
		"Name one: make PYTHON=/path/to/python3.11" >&2; exit 3; }
	@"$(PYTHON)" .ci/install.py

# exec: make's child is gridhil itself, so Ctrl-C and SIGTERM reach it and make waits for its end.
run: install ## start the default station; Ctrl-C stops it
	@exec $(BIN)/gridhil run $(ARGS)

# First a station and a scenario compile the kernels while tests run that need none. Then what keeps time or counts processes
# has the machine to itself; at last what only computes shares the processors. What keeps time is made once more where it failed,
# and both are in the output: a shared host stops everything for hundreds of milliseconds now and then.
UNCOMPILED := $(addprefix tests/unit/,examples forecasting hil/importers hil/recorder hil/relaytest protocols \
	$(patsubst %,hil/test_%.py,credentials network_files point_files profiles settings user_command users)) \
	$(addprefix tests/protocol/test_,modbus_refusals.py modbus_wire_vectors.py modbus_writes.py \
	opcua_bad_input.py opcua_node.py opcua_nodeset.py roles_on_the_wire.py)
IN_TURN := tests/bench tests/e2e tests/protocol $(patsubst %,tests/unit/%.py,hil/test_run_command \
	hil/test_stop_signals hil/test_supervisor rtcore/test_loop)
# Long ones first, so that no processor waits at the end.
BESIDE := tests/validation tests/meta tests/unit tests/golden
APART := --numprocesses=2 --dist=loadscope --no-loadscope-reorder
test: install ## run the tests; ARGS="..." chooses some
ifeq ($(ARGS),)
	@state=$$(mktemp -d); worst=0; \
	(export XDG_STATE_HOME=$$state; $(BIN)/gridhil run --duration 1 --modbus-port 0 --opcua-port 0; \
		$(BIN)/gridhil scenario breaker_trip_and_close) >$$state/log 2>&1 & \
	$(BIN)/python -m pytest $(APART) $(UNCOMPILED) || worst=$$?; \
	wait; rm -rf $$state; \
	$(BIN)/python -m pytest $(IN_TURN) $(addprefix --ignore=,$(UNCOMPILED)); code=$$?; \
	if [ $$code = 1 ]; then echo "make test: what failed of those that keep time, once more"; \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures=none \
			$(IN_TURN) $(addprefix --ignore=,$(UNCOMPILED)); code=$$?; fi; \
	[ $$code = 0 ] || worst=$$code; \
	$(BIN)/python -m pytest $(APART) $(BESIDE) \
		$(addprefix --ignore=,$(UNCOMPILED) $(IN_TURN)) || worst=$$?; \
	exit $$worst
else
	@exec $(BIN)/python -m pytest $(ARGS)
endif

check: install ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## format the sources and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# pandapower, a peer of "bench se", wants an older pandas than ours: it has an environment of its own.
PANDAPOWER := .venv/pandapower
bench: install $(PANDAPOWER)/.installed ## performance next to peers
	@exec $(BIN)/gridhil bench $(ARGS)

$(PANDAPOWER)/.installed: .ci/pandapower.lock
	@echo "gridhil: installing pandapower into $(PANDAPOWER) (once)"
	@$(BIN)/python -m venv --clear --without-pip $(PANDAPOWER)
	@$(BIN)/python -m pip --quiet --python $(PANDAPOWER)/bin/python install --require-hashes -r $<
	@touch $@

# The old interpreter of TensorFlow Lite wants NumPy 1, and its last wheels are for Python 3.11.
TFLITE := .venv/tflite
tflite: install $(TFLITE)/.installed ## environment in which the tests run models with tflite-runtime

$(TFLITE)/.installed: .ci/tflite.lock
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "gridhil: tflite-runtime has no wheel for this Python, only up to 3.11" >&2; exit 3; }
	@echo "gridhil: installing tflite-runtime into $(TFLITE) (once)"
	@$(BIN)/python -m venv --clear --without-pip $(TFLITE)
	@$(BIN)/python -m pip --quiet --python $(TFLITE)/bin/python install --require-hashes -r $<
	@touch $@

# The manual as pages for a browser; what builds it is in nobody's environment but its own.
DOCS := .venv/docs
docs: install $(DOCS)/.installed ## build the manual into site/
	@NO_MKDOCS_2_WARNING=1 exec $(DOCS)/bin/mkdocs --quiet build --strict

$(DOCS)/.installed: .ci/docs.lock
	@echo "gridhil: installing mkdocs-material into $(DOCS) (once)"
	@$(BIN)/python -m venv --clear --without-pip $(DOCS)
	@$(BIN)/python -m pip --quiet --python $(DOCS)/bin/python install --require-hashes -r $<
	@touch $@

# The lock serves Python 3.11 to 3.13 on Linux x86_64; it also holds the build tool (hatchling wants
# editables for an editable install), so that installing needs no second download. Make it again after changing dependencies.
# backports.strenum 1.3 declares Python < 3.11; uv overlooks that bound, pip refuses it.
lock: install ## resolve pyproject.toml into requirements.lock again
	$(BIN)/python -m pip install --quiet "uv>=0.9"
	$(BIN)/python -c 'import tomllib; print("backports.strenum<1.3", "editables>=0.5", \
		*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(BIN)/uv pip compile pyproject.toml - --universal --generate-hashes --python-version 3.11 \
		--extra dev --extra opendss --no-header --no-annotate --quiet --output-file requirements.lock
	printf 'pandapower>=3.5\nnumba\n' | $(BIN)/uv pip compile - --universal --generate-hashes \
		--python-version 3.11 --no-header --no-annotate --quiet --output-file .ci/pandapower.lock
	printf 'tflite-runtime==2.14.0\nnumpy<2\n' | $(BIN)/uv pip compile - --generate-hashes \
		--python-version 3.11 --no-header --no-annotate --quiet --output-file .ci/tflite.lock
	printf 'mkdocs-material>=9.6\n' | $(BIN)/uv pip compile - --universal --generate-hashes \
		--python-version 3.11 --no-header --no-annotate --quiet --output-file .ci/docs.lock

clean: ## remove .venv and every cache
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
