# make demo        the main job, then an endpoint until Ctrl-C  (ONCE=1: stop after one completion)
# make test        lint, types, all tests
# make soak        tests that take long: ten thousand verdicts, an hour of the endpoint under load
# make chaos       workers, nodes and drivers killed at random, on a cluster of three nodes
# make base        the base model anew, over an hour; goes on where it was interrupted
# make cluster     a Ray cluster of a head and two workers on this machine, with a token
# make cluster-down  ends that one and no other
# make venv        just the environment
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: venv demo test soak chaos base cluster cluster-down lint types clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: venv
	$(BIN)/calcgen run embedded run.name=demo corpus.synthetic.count=700 corpus.drills=1000 $(if $(ONCE),--once)

# Tests on Ray take both cores of a small machine as they are; the others run two at a time.
test: lint types
	$(BIN)/pytest -m "not ray and not serve and not soak and not chaos" --numprocesses 2 --dist worksteal
	$(BIN)/pytest -m "(ray or serve) and not soak and not chaos"

soak: venv
	$(BIN)/pytest -m soak -s
	$(BIN)/pytest tests/unit --hypothesis-profile=default

chaos: venv
	$(BIN)/pytest -m chaos -s

base: venv
	$(BIN)/calcgen pretrain base --out calcgen_ray/model/embedded

cluster: venv
	$(BIN)/python -m calcgen_ray.local_cluster up

cluster-down: venv
	$(BIN)/python -m calcgen_ray.local_cluster down

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
