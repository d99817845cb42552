.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PAGE_TYPES := tools/page_types/node_modules/.package-lock.json

help:  ## what the targets do
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/ -/'

.venv/runtime: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/development: .venv/runtime constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# npm writes this file last, so that it stands for all of them
$(PAGE_TYPES): tools/page_types/package-lock.json | .venv/development
	$(BIN)/npm ci --prefix tools/page_types
	@touch $@

demo: .venv/runtime  ## predict a shipped photograph with the embedded network
	$(BIN)/openmidas examples/coffee.jpg -o out --overwrite

test: .venv/development  ## all tests
	$(BIN)/python -m pytest

check: .venv/development $(PAGE_TYPES)  ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/node tools/page_types/node_modules/typescript/bin/tsc --project tools/page_types
	$(BIN)/lint-imports

bench: .venv/development  ## speed and accuracy tables
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/published.py
	$(BIN)/python benchmarks/zbuffer.py
	$(BIN)/python benchmarks/damage.py
	$(BIN)/python benchmarks/consistency.py
	$(BIN)/python benchmarks/worlds.py
	$(BIN)/python benchmarks/mixing.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/steady.py
	$(BIN)/python benchmarks/service.py

gallery: .venv/development  ## make the pictures of docs/ anew
	$(BIN)/python docs/make_depth_maps.py
	$(BIN)/python docs/make_gallery.py
	$(BIN)/python docs/make_worlds.py

clean:  ## remove the environment and everything made
	rm -rf .venv out build dist tools/page_types/node_modules

.PHONY: help demo test check bench gallery clean
