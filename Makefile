# Everything runs in a virtual environment of its own; the machine's Python is left alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Headless machines get a virtual screen; a desktop uses its own.
HEADLESS := $(if $(DISPLAY)$(WAYLAND_DISPLAY),,xvfb-run -a -s "-screen 0 1920x1200x24")
ON_SCREEN := $(if $(filter Linux,$(shell uname -s)),$(HEADLESS),)

.PHONY: demo test lint docs bench clean
.DEFAULT_GOAL := test

$(VENV)/ready: pyproject.toml constraints.txt
	PYTHON="$(PYTHON)" tools/system-libraries
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) torch
	$(INSTALL) --editable ".[all,test]"
	@touch $@

# The oldest manifest reader that napari still allows: the manifest must be valid there too.
$(VENV)/npe2-0.9/npe2: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/npe2-0.9 "npe2==0.9.0"
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(INSTALL) --editable ".[dev]"
	@touch $@

$(VENV)/ready-docs: $(VENV)/ready
	$(INSTALL) --editable ".[docs]"
	@touch $@

## Open napari on a sample recording (without a display: leave the results in demo-output/).
demo: $(VENV)/ready
ifeq ($(strip $(ON_SCREEN)),)
	$(BIN)/napari-caltrig demo
else
	$(ON_SCREEN) $(BIN)/napari-caltrig demo --headless demo-output
endif

## Set everything up and run the tests, on every core: so each takes one thread.
test: $(VENV)/ready $(VENV)/npe2-0.9/npe2
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal $(PYTEST_ARGS)

## Style, types and import rules.
lint: $(VENV)/ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/ready-docs
	$(BIN)/mkdocs build --strict

## Speed, memory and accuracy, side by side with peers where they are installed.
bench: $(VENV)/ready
	@for script in benchmarks/*.py; do echo "== $$script"; $(ON_SCREEN) $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) build dist site demo-output
