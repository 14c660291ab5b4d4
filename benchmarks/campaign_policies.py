"""`make campaign-policies`: ceilings in a race, the loader under bad files, reloads under load, evil patterns.

A budget is never passed, not even through kill -9, and nothing stays leased; a limit over two processes is met exactly;
no file crashes the loader; every call of a reload has one policy; no pattern takes a worker's time.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import click

from benchmarks.campaign_retries import ends
from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import Figures, Stand, page_option, standing
from gateway.control import budgets
from gateway.control.database import open_database
from policy.blocks_redaction import CustomRecognizer
from redaction.custom import from_policy
from redaction.linear import PatternError
from redaction.scan import Scanner

HEADING = "## make campaign-policies"
INTRODUCTION = "Real workers and the faulty upstream, two busy cores."
PRICE = "{provider: bench, model: [ok, bench-model], from: 2020-01-01, input_usd: 10, output_usd: 40}"
PRICES = f"schema: 1\nprices: [{PRICE}]\n"
BUDGET = "\nbudget: {rules: [{period: day, usd: CAP}]}\n"
LIMIT = "\nlimits: {requests_per_minute: 100}\n"
CAP_USD = 0.65  # about fifty calls
# Longer than the tokens that the upstream claims to have read and written: those are what a call sets aside.
REQUEST = chat(messages=[{"role": "user", "content": "word " * 1000}], max_tokens=1000)
EVIL = (
    "(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}", "([a-zA-Z]+)*$", "(a*)*b", "(x+x+)+y", "((a*)*)*c",
    "(a|b|ab)*c", "(\\w+\\s?)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)*=", "(a?){30}a{30}", "(\\d+)*z",
    "(a{1,50}){1,50}b", "(a{1,9}){1,9}b", "(a|a|aa){1,30}c", "([a-z]{1,5}){1,12}!", "(x{0,5}y{0,5}){1,9}z",
)  # fmt: skip


def swap(stand: Stand, text: str) -> float:
    """Write the policy and wait until `/status` says that every worker has it; return the seconds that took."""
    before = snapshots(stand)
    began = write(stand, text)
    while len(now := snapshots(stand)) != 1 or now == before:
        time.sleep(0.02)
    return time.perf_counter() - began


def write(stand: Stand, text: str) -> float:
    """Replace the policy; return the moment."""
    file = stand.folder / "policies" / "campaign.yaml"
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").replace(file)
    return time.perf_counter()


def governed(stand: Stand) -> str:
    """Make one call; return the policy that its reply names."""
    return asyncio.run(ask(stand.port, REQUEST, 60.0)).headers["x-sluice-policy"]


def swap_by_calls(stand: Stand, text: str) -> float:
    """Write the policy and wait until eight calls in a row name the new one; return the seconds to the first."""
    before, began = governed(stand), write(stand, text)
    row, first = 0, 0.0
    while row < 8:
        asked = time.perf_counter()
        row = row + 1 if governed(stand) != before else 0
        first = asked - began if row == 1 else first
    return first


def snapshots(stand: Stand) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{stand.port}/status", timeout=5) as reply:
        return {worker["snapshot"] for worker in json.load(reply)["workers"]}


async def many(stand: Stand, count: int, at_once: int) -> list[Reply]:
    """Make calls, so many at a time."""
    places = asyncio.Semaphore(at_once)

    async def one() -> Reply:
        async with places:
            return await ask(stand.port, REQUEST, 60.0)

    return await asyncio.gather(*(one() for _ in range(count)))


def race(campaign: Figures, stand: Stand, plain: str) -> None:
    """Four workers with a hundred calls each race for a budget of about fifty; one of them is killed meanwhile."""
    swap(stand, plain + BUDGET.replace("CAP", str(CAP_USD)))

    async def play() -> list[Reply]:
        asking = asyncio.create_task(many(stand, 400, 400))
        await asyncio.sleep(0.3)
        stand.workers()[0].kill()
        return await asking

    statuses = Counter(reply.status for reply in asyncio.run(play()))
    time.sleep(8)  # the dead worker's leases are settled, idle ones given back
    spent = sum(body.get("cost_usd") or 0 for _, body in ends(stand.data))
    database = open_database(f"sqlite:///{stand.data}/control.db")
    (state,) = [each for each in budgets.states(database, "default", 0) if each.allowance.name.endswith("|day")]
    database.close()
    figure = f"{statuses[200]}, {statuses[429]}, {statuses[0]}"
    both = bool(statuses[200] and statuses[429])
    campaign.say("budget in a race: answered, refused, broken by the kill", figure, well=both)
    campaign.say("budget, and what was charged", f"${CAP_USD:.2f}, ${spent:.4f}", well=0 < spent <= CAP_USD)
    leaked = (state.taken - state.spent) / 1e9
    campaign.say("still leased after that, kill -9 included", f"${leaked:.4f}", well=leaked < 1e-9)


def limit(campaign: Figures, stand: Stand, plain: str) -> None:
    """Ask three times the limit within one minute."""
    swap(stand, plain + LIMIT)
    time.sleep(60 - time.time() % 60 + 0.2)
    statuses = Counter(reply.status for reply in asyncio.run(many(stand, 300, 50)))
    figure = f"{statuses[200]} of 300, limit 100"
    campaign.say("requests in one minute over four processes", figure, well=statuses[200] == 100)


def reloads(campaign: Figures, stand: Stand, plain: str, count: int) -> None:
    """Change the policy again and again under load."""
    took: dict[str, list[float]] = {"/status": [], "the calls' x-sluice-policy": []}
    swap(stand, plain)

    async def play() -> list[Reply]:
        changing = asyncio.create_task(asyncio.to_thread(change))
        found: list[Reply] = []
        while not changing.done():
            found += await many(stand, 20, 10)
        await changing
        return found

    def change() -> None:
        for number in range(count):
            by, wait = ("/status", swap) if number % 2 else ("the calls' x-sluice-policy", swap_by_calls)
            time.sleep(0.4 + number * 0.037 % 0.3)  # all are in step, and the looks stand anywhere in their round
            took[by].append(wait(stand, f"{plain}description: number {number}\n"))

    replies = asyncio.run(play())
    statuses = Counter(reply.status for reply in replies)
    calls = [body for _, body in ends(stand.data) if body.get("snapshot")]
    campaign.say("reloads under load, calls meanwhile", f"{count}, {len(replies)}", well=set(statuses) == {200})
    campaign.say("of them failed", sum(n for status, n in statuses.items() if status != 200))
    one = bool(calls) and all(isinstance(body.get("policy_hash"), str) for body in calls)
    campaign.say("calls without exactly one policy", 0 if one else "some", well=one)
    for by, seconds in took.items():
        seconds.sort()
        figure = f"{seconds[len(seconds) // 2]:.2f}, {seconds[-1]:.2f} s"
        campaign.say(f"in force in all workers by {by}: median, slowest", figure, well=seconds[-1] <= 1)


LOADER = """
import json, sys, time
from pathlib import Path
from policy.load import load_tree
from policy.problems import PolicyErrors
tree, counts, slowest = Path(sys.argv[1]), {"cuts": 0, "loaded": 0, "refused": 0}, 0.0
raw = (tree / "default.yaml").read_bytes()
file = tree / "default.yaml"
cases = [raw[:end] for end in range(len(raw))] + [b"[" * 80000, b"[" * 10_000_000, b"a: " + b"{a: " * 40000]
cases += [b"a: &a [x,x]\\nb: [*a,*a]\\n", b"a:\\n\\tb: 1\\n", b"x" * 10_000_000, bytes(range(256)) * 100]
for case in cases:
    file.write_bytes(case)
    began = time.process_time()
    try:
        load_tree(tree)
        counts["loaded"] += 1
    except PolicyErrors as error:
        counts["refused"] += 1
        assert all(each.line and each.column for each in error.problems)
    slowest = max(slowest, time.process_time() - began)
    counts["cuts"] += 1
print(json.dumps({**counts, "slowest_ms": slowest * 1000}))
"""


def loader(campaign: Figures) -> None:
    """Load the shipped policy cut at every byte, and bombs, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        for file in ("default.yaml", "_defaults.yaml", "_floors.yaml", "providers.yaml"):
            Path(name, file).write_bytes(Path("policies", file).read_bytes())
        done = subprocess.run([sys.executable, "-c", LOADER, name], capture_output=True, text=True, check=False)
    if done.returncode:
        campaign.say("bad policy files: crashes", done.returncode, well=False)
        return
    found = json.loads(done.stdout)
    counts = f"{found['cuts']}: {found['loaded']} complete, {found['refused']} refused with line and column, 0 crashes"
    campaign.say("bad policy files (cut at every byte, bombs, 10 MB)", counts)
    campaign.say("slowest of them, CPU", f"{found['slowest_ms']:.0f} ms", well=found["slowest_ms"] <= 100)


def patterns(campaign: Figures) -> None:
    """Give evil patterns 100 KB to chew on."""
    refused, slowest = 0, 0.0
    for pattern in [*EVIL, *(f"x{each}" for each in EVIL)]:
        block = {"kind": "EVIL", "pattern": pattern, "score": 0.9, "examples": {"match": ["a"], "no_match": ["0"]}}
        try:
            made = Scanner((from_policy(CustomRecognizer.model_validate(block)),))
        except (ValueError, PatternError):
            refused += 1
            continue
        for text in ("a" * 100_000 + "!", "ax " * 33_000, "x" + "1" * 100_000):
            began = time.process_time()
            made.entities(text.encode())
            slowest = max(slowest, time.process_time() - began)
    campaign.say("evil patterns: refused at load, run in linear time", f"{refused}, {2 * len(EVIL) - refused}")
    campaign.say("slowest over 100 KB, CPU", f"{slowest * 1000:.0f} ms", well=slowest <= 0.1)


@click.command()
@click.option("--reloads", "count", default=1000, show_default=True, help="How often the policy is changed.")
@page_option
def main(count: int, page: Path | None) -> None:
    """Count what ceilings, the loader and reloads do; exit 1 when a figure is missed."""
    campaign = Figures()
    loader(campaign)
    patterns(campaign)
    with standing(first_byte_s=20.0, idle_s=20.0, SLUICE_WORKERS="4") as stand:
        (stand.folder / "policies" / "prices.yaml").write_text(PRICES)
        plain = (stand.folder / "policies" / "campaign.yaml").read_text()
        race(campaign, stand, plain)
        limit(campaign, stand, plain)
        reloads(campaign, stand, plain, count)
    campaign.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
