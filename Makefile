.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help:  ## what the targets do
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/ -/'

.venv/runtime: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/development: .venv/runtime constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: .venv/runtime  ## predict a shipped photograph with the embedded network
	$(BIN)/openmidas examples/coffee.jpg -o out --overwrite

test: .venv/development  ## all tests
	$(BIN)/python -m pytest

check: .venv/development  ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/development  ## speed and accuracy tables
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/published.py
	$(BIN)/python benchmarks/zbuffer.py
	$(BIN)/python benchmarks/damage.py
	$(BIN)/python benchmarks/worlds.py
	$(BIN)/python benchmarks/mixing.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/service.py

gallery: .venv/development  ## make the pictures of docs/ anew
	$(BIN)/python docs/make_depth_maps.py
	$(BIN)/python docs/make_gallery.py
	$(BIN)/python docs/make_worlds.py

clean:  ## remove the environment and everything made
	rm -rf .venv out build dist

.PHONY: help demo test check bench gallery clean
