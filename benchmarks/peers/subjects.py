"""The servers that `make bench-peers` compares: how each is started as it ships, and what is asked of it."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import KEY, gateway_env
from benchmarks.environments import python_of
from benchmarks.servers import ROOT, python

PINS = ROOT / "benchmarks/peers/requirements"
LONG, SHORT = 200, 10
BURSTS = ("burst-{n}", "burst-{n}-lead")
PACED = "paced-{n}-20"
FIRST = ("paced-3-20-now-trail", "paced-3-20-now")
SHAPES = ("bench-model", *FIRST, *(shape.format(n=n) for shape in (*BURSTS, PACED) for n in (LONG, SHORT)))
SLUICE = str(Path(sys.executable).parent / "sluice")


@dataclass(frozen=True)
class Ports:
    """Where everything of one measurement listens."""

    upstream: int
    server: int
    recorder: int


@dataclass(frozen=True)
class Start:
    """A command with its environment, and the recorder that works beside it, if any."""

    argv: list[str]
    environment: Mapping[str, str]
    recorder: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Subject:
    """One server; `calls` is how many calls one figure takes, so that slow servers are given fewer.

    `rows` names the rows it gives; one called `cold` sends only texts that were never seen before.
    """

    name: str
    start: Callable[[Path, Ports], Start]
    calls: int
    rows: tuple[str, ...] = ("",)


def pass_through(folder: Path, ports: Ports) -> Start:
    return Start(python("benchmarks.passthrough", str(ports.server), f"http://127.0.0.1:{ports.upstream}"), {})


def structured(folder: Path, ports: Ports) -> Start:
    return _sluice(folder, ports, ROOT / "benchmarks/policies/structured")


def names(folder: Path, ports: Ports) -> Start:
    """Start with the shipped policies, of which `default.yaml` governs; only the provider is the benchmark's."""
    policies = folder / "policies"
    if not policies.exists():
        shutil.copytree(ROOT / "policies", policies)
        shutil.copy(ROOT / "benchmarks/policies/structured/providers.yaml", policies)
    return _sluice(folder, ports, policies)


def _sluice(folder: Path, ports: Ports, policies: Path) -> Start:
    environment = gateway_env(folder / "data", ports.upstream, ports.server, ports.recorder)
    environment["SLUICE_POLICIES"] = str(policies)
    return Start([SLUICE, "gateway"], environment, [SLUICE, "recorder"])


def litellm(folder: Path, ports: Ports) -> Start:
    """Start LiteLLM's proxy without a database, with its own advice for production."""
    upstream = {"api_base": f"http://127.0.0.1:{ports.upstream}/v1", "api_key": "unused"}
    models = [{"model_name": name, "litellm_params": {"model": f"openai/{name}", **upstream}} for name in SHAPES]
    config = folder / "litellm.yaml"
    config.write_text(
        json.dumps({"model_list": models, "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"}})
    )
    argv = ["--config", str(config), "--host", "127.0.0.1", "--port", str(ports.server), "--num_workers", "1"]
    environment = {
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    program = python_of(PINS / "litellm.txt").parent / "litellm"
    return Start([str(program), *argv, "--telemetry", "False"], environment)


def shield(folder: Path, ports: Ports) -> Start:
    environment = {
        "VALID_VIRTUAL_KEYS": KEY,
        "UPSTREAM_BASE_URL": f"http://127.0.0.1:{ports.upstream}",
        "UPSTREAM_API_KEY": "unused",
    }
    program = python_of(PINS / "shield.txt").parent / "llm-shield-proxy"
    return Start([str(program), "--host", "127.0.0.1", "--port", str(ports.server)], environment)


SUBJECTS = (
    Subject("bare pass-through", pass_through, 2_000),
    Subject("sluice, structured kinds", structured, 2_000),
    Subject("sluice, names", names, 600, ("warm", "cold")),
    Subject("LiteLLM proxy", litellm, 600),
    Subject("llm-shield-proxy", shield, 600),
)
