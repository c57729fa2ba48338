# make demo: the exporter against the simulator, without an account.   make test: the tests.   make check: before a commit.
# make test installs no system package unless CI=true: a test whose program is missing is skipped and names the package.
# make test-all skips none of those: as root it installs the Debian packages, as another user it fails where one is missing.
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check fast bench lock wheel docs clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.runtime
	@$(BIN)/python -m exporter demo $(ARGS)

test: $(VENV)/.development
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

test-all: export CI = true
test-all: test

fast: $(VENV)/.development
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" -q $(ARGS)

check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" -q

bench: $(VENV)/.development
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.development
	@$(BIN)/python -m tools.generate_docs
	@$(BIN)/python -m grafana

wheel: $(VENV)/.development
	@$(BIN)/python -m build --no-isolation --wheel

# Run after changing dependencies; no file names a registry.
lock:
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" --group dev pyproject.toml -o requirements-dev.lock
	@echo "hatchling>=1.27" | $(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" --no-annotate --constraints requirements-dev.lock - -o deploy/docker/build.lock

$(BIN)/python:
	@tools/make-venv $(VENV)

$(VENV)/.runtime: requirements.lock tools/install_command.py | $(BIN)/python
	@echo "Installing the exporter and its dependencies into $(VENV) (under a minute the first time) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-warn-script-location --require-hashes -r requirements.lock
	@$(BIN)/python tools/install_command.py
	@touch $@

$(VENV)/.development: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing the tests' dependencies into $(VENV) (about a minute the first time) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-warn-script-location --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-warn-script-location --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
