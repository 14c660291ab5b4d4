# One list of habits. `make run` and `make test` do their own set-up; see README.md for the plain lines behind them.
.DEFAULT_GOAL := help
.PHONY: help run demo test check format lint types imports policy lock lock-others bench bench-redaction bench-splits bench-stalls bench-peers bench-ledger campaign-kill campaign-inputs campaign-faults campaign-drain campaign-soak campaign-otlp campaign-retries campaign-clients campaign-policies campaign-worker campaign-burst campaign-holds campaign-trust campaign-bundles bench-export campaign-movers campaign-stories clean sbom campaign-canary

UPSTREAM ?= simulated
BIN := .venv/bin
# Test processes. Many tests wait for programs, clocks and disks: TESTERS=3 uses what two leave idle of two cores.
TESTERS ?= 2
OTHERS := $(wildcard tools/requirements/*.in tests/clients/requirements/*.in benchmarks/peers/requirements/*.in)

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

run: ## start everything, with sample calls on the dashboard (UPSTREAM=openai for a real provider)
	@tools/install.sh run
	@SLUICE_UPSTREAM=$(UPSTREAM) $(BIN)/python -m demo.run

demo: ## eight weeks of invented traffic in a few minutes, then the dashboard over it until Ctrl-C (ARGS="--weeks 4" for fewer)
	@tools/install.sh run
	@$(BIN)/sluice demo --folder sluice-demo $(ARGS)
	@SLUICE_DATA=sluice-demo SLUICE_POLICIES=sluice-demo/policies $(BIN)/python -m demo.run --samples 0

test: ## run the test suite (about 9 minutes on two cores)
	@tools/install.sh dev
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TESTERS) --dist loadgroup -rs $(ARGS)

check: ## format, lint, types, import contracts, policy check, tests
	@tools/install.sh dev
	@$(MAKE) --no-print-directory format lint types imports policy test

format:
	$(BIN)/ruff format --check .

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

policy:
	$(BIN)/sluice policy check policies

lock: ## renew the pinned requirements (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras pyproject.toml tools/build.in -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras --group dev pyproject.toml tools/build.in -o requirements-dev.lock

bench: ## measure CPU per call, latency, memory and cold start
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.bench

bench-peers: ## the same beside LiteLLM's proxy and llm-shield-proxy, each as it ships in an environment of its own (8 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.bench_peers $(ARGS)

bench-ledger: ## the dashboard's questions on ten million made-up calls (8 minutes, 4 GB of disk)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.bench_ledger $(ARGS)

bench-redaction: ## public leak benchmark through a gateway, chunk-invariance on our streams (15 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_leaks $(ARGS)

bench-splits: ## every specimen of every kind in all its two- and three-part splits, with the public tool (15 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_leaks --only splits --longest 100000 $(ARGS)

bench-stalls: ## hostile requests and answers of 200 kB: how long they hold up the other calls of their worker (2 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.stalls
	@$(BIN)/python -m benchmarks.long_answers

campaign-kill: ## kill -9 gateway workers and the recorder under load; count what is lost
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_kill

campaign-inputs: ## bad requests of every kind; count what is answered otherwise than with a 4xx (2 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_inputs $(ARGS)

campaign-faults: ## broken upstreams, disks and stores; count what is lost or made up (10 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_faults $(ARGS)

campaign-drain: ## stop and replace gateways under load; slow readers, overload (10 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_drain $(ARGS)

campaign-soak: ## ten minutes of mixed calls; memory and descriptors must stay flat (ARGS="--minutes 60" for longer)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_soak $(ARGS)

campaign-otlp: ## calls while the OpenTelemetry collector refuses, hangs, is slow or is gone; count spans and what calls wait (12 minutes; ARGS="--minutes 3")
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_otlp $(ARGS)

campaign-policies: ## budgets and limits in a race and through kill -9, bad policy files, reloads under load, evil patterns (12 minutes; ARGS="--reloads 100": 4)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_policies $(ARGS)

campaign-bundles: ## tamper with evidence bundles and with the ledger; count what is named (ARGS="--trials 100" for a short one)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_bundles $(ARGS)

bench-export: ## an evidence bundle of a million outputs: seconds, memory, and a tenth of it verified (5 minutes, 4 GB of disk)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.bench_export $(ARGS)

campaign-trust: ## tamper with recorded folders in sixteen ways; count what the audit tree notices (ARGS="--trials 100" for a short one)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_trust $(ARGS)
	@$(BIN)/python -m benchmarks.campaign_erasure

campaign-worker: ## kill -9 workers while they run 1,000 letters, on SQLite and on PostgreSQL; count what is lost or done twice (25 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_worker $(ARGS)

sbom: ## write build/sbom.json: what is installed, as CycloneDX, from the hashed lock
	@tools/install.sh dev
	@$(BIN)/python -m tools.sbom

campaign-burst: ## put 10,000 letters into the queue on PostgreSQL and 2,000 on SQLite while others call live; watch them drain (20 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_burst $(ARGS)

campaign-canary: ## secrets in every place of 10,000 calls, through every failure; count where they turn up (6 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_canary $(ARGS)

campaign-holds: ## stop automations over all workers, then kill -9 them while answers are held and decided; count what is lost or decided twice (8 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_holds $(ARGS)

campaign-retries: ## a storm of 429s and a broken upstream; count retries, waits and what the breaker lets through (2 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_retries $(ARGS)

campaign-confidence: ## certificates over 1,000 draws: promises broken, coverage, bias, alarms (2 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_confidence $(ARGS)

campaign-clients: ## openai, LangChain, LlamaIndex, instructor, pydantic-ai, Vercel AI SDK as they come (2 minutes; needs Node and npm)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_clients $(ARGS)

campaign-movers: ## 1,000 made-up quarters without a change: how often one is told, and whether real ones are seen (6 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_movers $(ARGS)

campaign-stories: ## eight weeks of the demo with three seeds: are all planted stories told with their cause, and what else? (6 minutes)
	@tools/install.sh dev
	@$(BIN)/python -m benchmarks.campaign_stories $(ARGS)

lock-others: ## renew the pins of the programs that only campaigns and the benchmark install (needs uv and npm)
	for file in $(OTHERS); do uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate $$file -o $${file%.in}.txt; done
	cd tests/clients/node && npm install --package-lock-only --omit-lockfile-registry-resolved

clean: ## remove the virtual environment and caches (never your data)
	rm -rf .venv build/environments .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
