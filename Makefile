# One verb per chore, the same here and in CI. `make help` lists them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export OMP_NUM_THREADS ?= 1
# BentoML reports its use to its maker unless told not to.
export BENTOML_DO_NOT_TRACK ?= True

.PHONY: help serve test soak check fix bench bench-against bench-burst bench-experiments train bento doctor lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/serve.done: deploy/serve.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo 'Python 3.11 is needed: make PYTHON=/path/to/python3.11 ...'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo 'The venv module is missing: apt-get install python3-venv'; exit 1; }
	$(PIP) --require-hashes -r deploy/serve.lock
	@touch $@

$(VENV)/dev.done: $(VENV)/serve.done deploy/dev.lock
	$(PIP) --require-hashes -r deploy/dev.lock
	@touch $@

# torch is pinned by version, not by hash, and what only its CUDA build needs is left out: CPU and CUDA builds carry
# the same number.
$(VENV)/train.done: $(VENV)/serve.done deploy/train.lock
	$(PIP) -r deploy/train.lock
	@touch $@

# Half of the users meet the policy here, so that both arms are seen; the service's own default is 0.1.
serve: $(VENV)/serve.done ## serve on 127.0.0.1:8001 with embedded defaults
	HOST=$${HOST:-127.0.0.1} RL_TRAFFIC_PERCENTAGE=$${RL_TRAFFIC_PERCENTAGE:-0.5} $(BIN)/bentoml serve service:RLService

# Those of tests/wire itself need the machine for themselves.
test: $(VENV)/dev.done $(VENV)/train.done ## run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore-glob 'tests/wire/test_*'
	$(BIN)/python -m pytest tests/wire --ignore tests/wire/quiet

check: $(VENV)/dev.done $(VENV)/train.done ## architecture, types, style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/dev.done ## put the style right
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

soak: $(VENV)/dev.done $(VENV)/train.done ## 10,000 orders while answers are lost; a venue that hangs; 200 users who trade under an experiment
	SOAK_ORDERS=10000 SOAK_HANG_S=60 EXPERIMENT_USERS=200 EXPERIMENT_DAYS=12 \
		$(BIN)/python -m pytest tests/wire/test_orders.py tests/wire/test_upstream_faults.py tests/wire/quiet/test_experiment_replay.py -s

bench: $(VENV)/dev.done $(VENV)/train.done ## compare with FastAPI + SB3, naive BentoML and a bare echo
	$(BIN)/python -m benchmarks

bench-against: $(VENV)/dev.done $(VENV)/train.done ## compare with another tree of the project: TREE=../before
	$(BIN)/python -m benchmarks.against $(TREE)

bench-burst: $(VENV)/dev.done $(VENV)/train.done ## ask for more than there is, and see who is still served
	$(BIN)/python -m benchmarks.burst

bench-experiments: $(VENV)/dev.done ## judge an experiment of a million exposures
	$(BIN)/python -m benchmarks.experiments

train: $(VENV)/train.done ## train the shipped bundles again (about 15 minutes)
	$(BIN)/python -m rl_models train --data BTC=$${DATA:-../shared/data/crypto/BTCUSD_1h_2019-07_2022-02_raw.csv} \
		--origin "$${ORIGIN:-ClementPerroud/Gym-Trading-Env: examples/data/BTC_USD-Hourly.csv}" --out rl_models/bundles

bento: $(VENV)/serve.done ## build the Bento (bentoml containerize makes the image)
	$(BIN)/python -m wiring register
	$(BIN)/bentoml build

doctor: $(VENV)/serve.done ## check settings, store, bundles, clock and upstreams
	@$(BIN)/python -m wiring doctor

lock: $(VENV)/serve.done ## resolve the locks again
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o deploy/serve.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev -c deploy/serve.lock --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o deploy/dev.lock
	$(BIN)/uv pip compile pyproject.toml --extra train -c deploy/serve.lock --python-version 3.11 --no-header --no-annotate --quiet \
		| awk 'NR == FNR {served[$$1]; next} !($$1 in served) && !/^(nvidia|cuda|triton)/ {print $$1}' deploy/serve.lock - > deploy/train.lock

clean: ## remove the virtual environment and local state
	rm -rf $(VENV) .data
