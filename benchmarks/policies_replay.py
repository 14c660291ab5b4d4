"""`python -m benchmarks.policies_replay [CALLS]`: what binding, routing (CPU) and replaying cost."""

import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from gateway.commands.policy_replay import replayed
from gateway.policy_tools.check import check
from gateway.policy_tools.replay_base import Trees, needs_run, needs_size
from metrics.health.replay import Span
from metrics.health.replay_ledger import stopped_ledger
from policy.conditions import Values, condition
from policy.estimate import measuring
from policy.load import load_tree
from policy.model import Facts
from policy.routing import Request, route, unmeasured
from policy.snapshot import Snapshot

POLICIES, ROUNDS = 100, 20_000
HEAD = "policy: p{n}\nschema: 1\nowner: o@example.com\napplies_to: {{automation: a{n}}}\n"
ROUTING = """
routing:
  rules:
    - models: ["small-*"]
      when: "request.input_tokens > 100 && facts.team == 't'"
      candidates: [{model: simulated/simulated-small}]
    - candidates:
        - {model: simulated/simulated-small, quality: 0.7, region: eu, context_tokens: 8000}
        - {model: simulated/simulated-large, quality: 0.9, region: eu}
        - {model: other, region: us}
      objective: OBJECTIVE
      constraints: {regions: [eu]}
"""
SCHEMA = Path("metrics/record/schema.sql")
FILL = """
INSERT INTO calls BY NAME
SELECT i AS seq, 'call_' || i AS call_id, 'default' AS tenant, 'a' || i % 8 AS automation, 'run_' || i // 3 AS run_id,
    {start} + i * {step} AS ts_us, 't' AS team, 'key' AS key_id, 'chat.completions' AS endpoint, false AS stream,
    200 AS status, 'ok' AS outcome, 'p' || i % 8 AS policy, 'small-x' AS model_requested, 'simulated' AS provider,
    0.0001 AS cost_usd, 'simulated/simulated-small@2020-01-01' AS price_id, 200 + i % 3000 AS request_chars,
    50 + i % 500 AS input_tokens, 0 AS cached_input_tokens, 0 AS cache_write_tokens, 20 AS output_tokens,
    0 AS reasoning_tokens, 0 AS audio_input_tokens, 0 AS audio_output_tokens,
    0 AS image_input_tokens, 0 AS image_output_tokens,
    '{{"features":{{"messages":2,"max_output_tokens":' || (i % 4) * 100 || ',"needs":[]}},"labels":{{}},"findings":['
        || '["user:' || i % 3 || '","EMAIL_ADDRESS",5,20,' || 0.8 + (i % 20) / 100.0 || ',"pattern",'
        || '"pseudonym"]]}}' AS detail
FROM range({calls}) AS numbers(i)
"""


def tree(folder: Path, objective: str) -> Snapshot:
    folder.mkdir()
    for n in range(POLICIES):
        (folder / f"p{n}.yaml").write_text(HEAD.format(n=n) + ROUTING.replace("OBJECTIVE", objective))
    for name in ("prices.yaml", "providers.yaml"):
        (folder / name).write_text(Path("policies", name).read_text())
    return load_tree(folder)


def per_call_us(snapshot: Snapshot, *, by_cost: bool) -> float:
    """Bind and route many calls of many keys; return microseconds for one."""
    at, began = datetime.now(UTC), time.process_time()
    for number in range(ROUNDS):
        facts = Facts("default", "t", f"a{number % POLICIES}")
        policy = snapshot.bind(facts, {"step": "x"}).policy
        request = Request("small-x", input_tokens=number % 500, facts=facts, run="r", asked=policy.routing.asked)
        known = measuring(snapshot, "openai", request, at, {}) if by_cost else unmeasured
        route(policy.routing, request, known)
    return (time.process_time() - began) / ROUNDS * 1e6


def condition_us() -> float:
    """Evaluate one condition for many calls, their values handed over each time."""
    began, asked = time.process_time(), condition("request.input_tokens > 100 && facts.team == 't'", "routing")
    for number in range(ROUNDS):
        asked.holds(Values({"request": {"input_tokens": number}, "facts": {"team": "t"}}))
    return (time.process_time() - began) / ROUNDS * 1e6


def check_s(folder: Path) -> float:
    """Check a folder of 200 policies like the shipped one for support, examples of recognizers included."""
    shutil.copytree("policies/templates", folder / "templates")
    shipped = Path("policies/support-drafting.yaml").read_text().replace("support-drafting", "pNUMBER")
    for number in range(200):
        (folder / f"p{number}.yaml").write_text(shipped.replace("NUMBER", str(number)))
    began = time.perf_counter()
    report = check(folder)
    assert report.ok, report.text()
    return time.perf_counter() - began


def replay_s(folder: Path, snapshot: Snapshot, calls: int) -> tuple[float, int]:
    """Replay a week of made-up calls; return seconds, and how many kinds of calls were told apart."""
    now = int(time.time() * 1e6)
    week = 7 * 86_400 * 1_000_000
    with duckdb.connect(str(folder / "ledger.duckdb")) as database:
        database.execute(SCHEMA.read_text())
        database.execute(FILL.format(start=now - week, step=week // calls, calls=calls))
    began = time.perf_counter()
    with stopped_ledger(folder, "default") as ask:
        span = Span(now - week, now, None, needs_size(snapshot), needs_run(snapshot))
        report = replayed(Trees(snapshot, snapshot, "openai"), ask, span)
    assert report.calls == calls
    return time.perf_counter() - began, report.groups


def main() -> None:
    """Measure and print."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    table = Table("what", "figure", box=None)
    with tempfile.TemporaryDirectory() as name:
        first, cost = tree(Path(name, "first"), "first"), tree(Path(name, "cost"), "cost")
        for words, snapshot, by_cost in (("as written", first, False), ("by cost", cost, True)):
            table.add_row(
                f"bind and route, {POLICIES} policies, {words}", f"{per_call_us(snapshot, by_cost=by_cost):.1f} us"
            )
        table.add_row("one CEL condition, its values handed over", f"{condition_us():.1f} us")
        table.add_row("sluice policy check, 200 files", f"{check_s(Path(name, 'many')):.1f} s")
        seconds, groups = replay_s(Path(name), cost, calls)
        table.add_row(f"replay of {calls:,} calls ({groups:,} kinds)", f"{seconds:.1f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
