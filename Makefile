# Everything a developer or a machine runs. `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PARTS := backend-api ml-model-service app-updates training model-packaging model-monitoring offline-features mlflow-export

.PHONY: demo test test-more mobile-test mobile-types test-pythons check mutants chaos replay bench bench-monitor bench-serving bench-features model bias-oracle null-gates interrupted-trainings lock clean infra-test infra-cost infra-rehearse infra-permissions infra-containers

demo: $(VENV)/.ready
	@$(BIN)/shipway demo

test: $(VENV)/.ready check
	@$(BIN)/python -m pytest -n 3 --dist loadfile --ignore=tests/mobile -m "not lengthy" --durations=20 --durations-min=8
	@$(BIN)/python tests/parts.py $(PARTS)
	@echo "left out for want of time: the mobile app, built and tried in Chromium (make mobile-test)"

# What takes long and rests on others' tests: the parts' slow tests, the commits of the demo's story built, a model and
# a password changed on an emulated AWS, the steps of a training as jobs, the page of commands played anew. One
# at a time: some count every request while tasks are killed.
test-more: $(VENV)/.ready
	@$(BIN)/python -m pytest --ignore=tests/mobile -m lengthy
	@$(BIN)/python tests/parts.py --slow $(PARTS)

# The mobile app: its own checks and tests, and the app in Chromium through the real router, backend and model service.
# What needs Chromium, or npm's registry the first time, is skipped without, and says so.
mobile-test: $(VENV)/.ready
	@$(BIN)/python -m pytest tests/mobile -s -rs

# After a change of the backend's API: its document and the types that the app makes of it.
mobile-types: $(VENV)/.ready
	@$(BIN)/python -m tests.mobile.take_document

# The fast tests and the demo under every Python 3.11 and later that is found, with environments of their own.
test-pythons: $(VENV)/.ready
	@$(BIN)/python tests/pythons.py

check: $(VENV)/.ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@PYTHONPATH=ml-model-service/src $(BIN)/lint-imports --config ml-model-service/importlinter.toml

# Which small changes of the rules would no fast test notice? A sample; all of them take hours.
# make mutants OF="core.verdicts.traffic pipeline.rollouts" SAMPLE=200 SEED=2
OF ?= core pipeline.rollouts pipeline.rollout_records pipeline.observing pipeline.following
SAMPLE ?= 100
SEED ?= 1
mutants: $(VENV)/.ready
	@$(BIN)/python tests/mutants.py --sample $(SAMPLE) --seed $(SEED) $(OF)

# Faults at every moment of a rollout, by every strategy, under load: 25 minutes.
chaos: $(VENV)/.ready
	@$(BIN)/python -m tests.chaos

# The example's second half of 2013, played against it with a killed daemon; what must hold is said at the end.
# About 15 minutes on two cores.
replay: $(VENV)/.ready
	@$(BIN)/python -m tests.replay

bench: $(VENV)/.ready
	@$(BIN)/python -m benchmarks

# The model monitor beside Evidently: speed, memory, false alarms. --full goes to 100 million rows.
bench-monitor: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.monitor $(OPTIONS)

# Needs wrk and nginx. The first run installs every peer into ~/.cache/shipway-benchmarks, which takes some minutes.
bench-serving: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.serving

# Needs wrk. The first run installs Feast into ~/.cache/shipway-benchmarks (740 MB).
bench-features: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.features

# The example's model, into build/model: shipway model publish build/model
model: $(VENV)/training/.ready
	@cd training && PYTHONPATH=src ../$(VENV)/training/bin/python -m training --output ../build/model --author "$$(id -un)"

# The formulas of bias against fairlearn's, in an environment of its own.
bias-oracle: $(VENV)/bias-oracle/.ready
	@cd training && PYTHONPATH=src ../$(VENV)/bias-oracle/bin/python oracle/fairlearn_agrees.py

# Daemon, step and both killed at every step of real trainings: 10 minutes.
interrupted-trainings: $(VENV)/.ready
	@$(BIN)/python -m tests.interrupted_trainings

# How often the gate promotes a model that is no better: 216 gates, about 6 minutes of CPU.
null-gates: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.null_gates

$(VENV)/training/.ready: training/requirements.lock $(VENV)/.ready
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/training
	@$(BIN)/uv pip sync --quiet --python $(VENV)/training/bin/python --require-hashes training/requirements.lock
	@touch $@

# The app on AWS: what can be checked without an account, and what it costs. Needs Terraform.
infra-test: export SHIPWAY = $(CURDIR)/$(BIN)/shipway
infra-test: export RENDERED = $(CURDIR)/$(VENV)/infra/rendered.json
infra-test: $(VENV)/infra/.ready
	@cd infra && ../$(VENV)/infra/bin/python -m tools.check
	@$(BIN)/python -m pytest infra/tests/rendered

infra-cost: $(VENV)/infra/.ready
	@cd infra && ../$(VENV)/infra/bin/python -m tools.cost --write && echo "docs/aws/costs.md"

# Everything applied to an emulator, planned again and destroyed: half an hour. ROOTS names some: environments/dev
infra-rehearse: $(VENV)/infra-rehearsal/.ready
	@cd infra && ../$(VENV)/infra-rehearsal/bin/python -m tools.rehearse $(ROOTS)

# The roles' rendered policies, tried on an emulator that enforces them. That needs Python 3.13: from PATH, from pyenv's
# folder, or the one that PYTHON_313 names.
PYTHON_313 ?= $(shell for found in python3.13 "$$HOME"/.pyenv/versions/3.13*/bin/python3.13; do \
	"$$found" -c "" 2>/dev/null && echo "$$found" && break; done)
infra-permissions: $(VENV)/infra-permissions/.ready
	@cd infra && ../$(VENV)/infra-permissions/bin/python -m tools.permissions

$(VENV)/infra-permissions/.ready: infra/permissions/requirements.lock $(VENV)/.ready
	@echo "setting up $(@D) (once)" >&2
	@test -n "$(PYTHON_313)" || \
		{ echo "the emulator needs Python 3.13: install it, then make infra-permissions PYTHON_313=python3.13" >&2; exit 1; }
	@$(BIN)/uv venv --quiet --clear --python "$(PYTHON_313)" $(@D)
	@$(BIN)/uv pip sync --quiet --python $(@D)/bin/python --require-hashes $<
	@touch $@

# The images built by their buildspecs and run as containers by an emulator's ECS: five to ten minutes. Needs podman or Docker.
infra-containers: $(VENV)/.ready $(VENV)/infra-rehearsal/.ready
	@$(BIN)/python -m tests.containers

$(VENV)/infra/.ready: infra/requirements.lock
$(VENV)/infra-rehearsal/.ready: infra/rehearsal/requirements.lock
$(VENV)/bias-oracle/.ready: training/oracle/requirements.lock
$(VENV)/infra/.ready $(VENV)/infra-rehearsal/.ready $(VENV)/bias-oracle/.ready: $(VENV)/.ready
	@echo "setting up $(@D) (once)" >&2
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip sync --quiet --python $(@D)/bin/python --require-hashes $(filter %.lock,$^)
	@touch $@

# Locks carry hashes, not addresses: the same file serves uv, pip and any package index.
COMPILE = $(CURDIR)/$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url pyproject.toml
lock:
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra dev -o requirements-dev.lock
	for folder in infra infra/rehearsal training/oracle; do (cd $$folder && $(COMPILE) -o requirements.lock) || exit 1; done
	cd infra/permissions && $(CURDIR)/$(BIN)/uv pip compile --quiet --python-version 3.13 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
	for part in $(PARTS); do (cd $$part && $(COMPILE) -o requirements.lock && $(COMPILE) --extra test -o requirements-test.lock) || exit 1; done

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@command -v git >/dev/null || { echo "git is needed: install it with your system's packages" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements-dev.lock)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .venv-* .shipway
