# Everything a developer or a machine runs. `make demo` and `make test` do their own set-up.
PYTHON ?= python3
BIN := .venv/bin
PARTS := backend-api ml-model-service training src/shipway/registry/packaging

.PHONY: demo test check chaos bench bench-serving model lock clean

demo: .venv/.ready
	@$(BIN)/shipway demo

test: .venv/.ready check
	@$(BIN)/python -m pytest -n 3 --dist loadfile
	@$(BIN)/python tests/parts.py $(PARTS)

check: .venv/.ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

# Faults at every moment of a rollout, by every strategy, under load: half an hour.
chaos: .venv/.ready
	@$(BIN)/python -m tests.chaos

bench: .venv/.ready
	@$(BIN)/python -m benchmarks

# Needs wrk and nginx. The first run installs every peer into ~/.cache/shipway-benchmarks, which takes some minutes.
bench-serving: .venv/.ready
	@$(BIN)/python -m benchmarks.serving

# The example's model, into build/model: shipway model publish build/model
model: .venv/training/.ready
	@cd training && PYTHONPATH=src ../.venv/training/bin/python -m training --output ../build/model --author "$$(id -un)"

.venv/training/.ready: training/requirements.lock .venv/.ready
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/training
	@$(BIN)/uv pip sync --quiet --python .venv/training/bin/python --require-hashes training/requirements.lock
	@touch $@

# Locks carry hashes, not addresses: the same file serves uv, pip and any package index.
COMPILE = $(CURDIR)/$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url pyproject.toml
lock:
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra dev -o requirements-dev.lock
	for part in $(PARTS); do (cd $$part && $(COMPILE) -o requirements.lock && $(COMPILE) --extra test -o requirements-test.lock) || exit 1; done

.venv/.ready: requirements-dev.lock pyproject.toml
	@command -v git >/dev/null || { echo "git is needed: install it with your system's packages" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up .venv (once)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements-dev.lock)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .shipway
