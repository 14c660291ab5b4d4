"""`make campaign-inputs`: requests made by hand, mutations, huge ones, wrong keys and slow connections.

Every reply must be an answer or a 4xx in OpenAI's shape, every call must leave one record and at most one log line,
memory must stay bounded, and honest calls must go on.
"""

import asyncio
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import click

from benchmarks.hostile_requests import by_hand, chat, head, mutations, sent
from benchmarks.huge_requests import huge
from benchmarks.rawhttp import Reply, ask
from benchmarks.servers import python
from benchmarks.spec_fuzz import USUAL, fuzz_own_spec
from benchmarks.stand import Figures, Stand, ended_calls, finish, standing

SLOW_S = 1.0
GOOD = chat()


@dataclass
class Counts(Figures):
    """What was sent and what came back; `bad` says what should not have happened."""

    call_ids: list[str] = field(default_factory=list)

    def judge(self, name: str, reply: Reply, *, slow_s: float = SLOW_S) -> None:
        if reply.call_id:
            self.call_ids.append(reply.call_id)
        if reply.status == 0:
            self.bad.append(f"{name}: no reply in {reply.seconds:.1f} s")
        elif reply.status >= 500:
            self.bad.append(f"{name}: {reply.status} {reply.body[:200]!r}")
        elif reply.status >= 400 and not reply.openai_error:
            self.bad.append(f"{name}: {reply.status} is not in OpenAI's shape: {reply.body[:100]!r}")
        elif reply.seconds > slow_s:
            self.bad.append(f"{name}: {reply.seconds:.2f} s")


def tally(replies: Iterable[Reply]) -> str:
    counts = sorted(Counter(reply.status for reply in replies).items())
    return ", ".join(f"{count} x {status}" for status, count in counts)


async def hand_made(stand: Stand, counts: Counts) -> None:
    replies = []
    for name, data in by_hand().items():
        reply = await ask(stand.port, data)
        counts.judge(name, reply)
        if reply.status == 200:
            counts.bad.append(f"{name}: answered with 200")
        replies.append(reply)
    counts.say("requests made by hand", f"{len(replies)}: {tally(replies)}")


async def mutated(stand: Stand, counts: Counts, count: int, seed: int) -> None:
    replies = []
    for number, (path, body) in enumerate(mutations(count, seed)):
        reply = await ask(stand.port, sent(body, path=path))
        counts.judge(f"mutation {number} {body[:300]!r}", reply)
        replies.append(reply)
    counts.say(f"mutations (seed {seed})", f"{len(replies)}: {tally(replies)}")


async def hosts(stand: Stand, counts: Counts) -> None:
    """Send odd Host headers without a key to protected paths: none may get in."""
    names = ["", "evil", "sluice?x", "a/../v1", "localhost/healthz", "[::1]", "a:b:c", "%2f", "x" * 5000, "a b"]
    paths = ["/v1/chat/completions", "/v1/models", "/v1/outcomes", "/auth/me"]
    replies = []
    for path in paths:
        method = "GET" if path in ("/v1/models", "/auth/me") else "POST"
        for name in names:
            data = f"{method} {path} HTTP/1.1\r\nhost: {name}\r\ncontent-length: 0\r\n\r\n".encode()
            replies.append(await ask(stand.port, data))
            counts.judge(f"host {name[:20]!r} {path}", replies[-1])
    counts.bad += [f"host variant got {r.status}" for r in replies if r.status not in (400, 401)]
    counts.say("Host variants without a key", f"{len(replies)}: {tally(replies)}")


async def injections(stand: Stand, counts: Counts) -> None:
    """Put line ends and log look-alikes wherever a value is reflected; count header lines and log lines."""
    evil = ["a\r\nset-cookie: x=1", 'x"}\n{"level":"error"}', "\x1b[31mred", "a\u2028b", "%0d%0aset-cookie: x", "é\x7f"]
    replies = []
    for number in range(200):
        text = evil[number % len(evil)] * (1 + number // len(evil) % 5)
        changes = ({"model": text}, {"metadata": {"run_id": text}}, {"metadata": {"prompt": text}}, {"user": text})
        reply = await ask(stand.port, chat(**changes[number % 4]))
        counts.judge(f"injection {number}", reply)
        if "set-cookie" in reply.headers or reply.status == 0:
            counts.bad.append(f"injection {number}: an extra header")
        replies.append(reply)
    counts.say("injections into reflected values", f"{len(replies)}: {tally(replies)}")


async def wrong_keys(stand: Stand, counts: Counts, count: int) -> None:
    logged, gate = len(stand.log_lines()), asyncio.Semaphore(20)

    async def one(number: int) -> Reply:
        async with gate:
            return await ask(stand.port, sent(b"{}", key=f"sk-sluice-wrong-{number}"))

    began = time.monotonic()
    replies = await asyncio.gather(*(one(number) for number in range(count)))
    for number, reply in enumerate(replies):
        counts.judge(f"wrong key {number}", reply)
    honest = await ask(stand.port, GOOD)
    counts.judge("right key", honest)
    await asyncio.sleep(1)
    lines = len(stand.log_lines()) - logged
    if lines > 100 or honest.status != 200:
        counts.bad.append(f"wrong keys: {lines} log lines, then a right key got {honest.status}")
    counts.say("wrong keys", f"{len(replies)} in {time.monotonic() - began:.0f} s: {tally(replies)}; {lines} log lines")


async def slow(stand: Stand, counts: Counts, each: int) -> None:
    """Hold many slow and silent connections and measure honest calls meanwhile."""
    unloaded = await honest(stand.port, 10)
    kinds = {"heads": b"POST /v1/chat", "bodies": head("content-length: 100") + b"{", "silent": b""}
    limits = {"heads": 10.0, "bodies": 31.0, "silent": 30.0}
    closed: dict[str, list[float]] = {name: [] for name in kinds}

    async def hold(name: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
        began = time.monotonic()
        writer.write(kinds[name])
        try:
            async with asyncio.timeout(40):
                while await reader.read(1000):
                    pass
        except ConnectionError:
            pass
        except TimeoutError:
            return
        finally:
            writer.transport.abort()
        closed[name].append(time.monotonic() - began)

    holding = [asyncio.create_task(hold(name)) for name in kinds for _ in range(each)]
    times = await honest(stand.port, 33)
    await asyncio.gather(*holding)
    for name, seconds in closed.items():
        longest = max(seconds, default=0.0)
        if len(seconds) < each or longest > limits[name] + 0.5:
            counts.bad.append(f"slow {name}: {len(seconds)} of {each} closed, the last after {longest:.1f} s")
        counts.say(f"slow {name}", f"{len(seconds)} of {each} closed, the last after {longest:.1f} s")
    ratio = percentile(times, 0.99) / percentile(unloaded, 0.99)
    if max(times) > 90:
        counts.bad.append("an honest call failed meanwhile")
    counts.say(
        "honest calls meanwhile", f"{len(times)}, p99 {percentile(times, 0.99) * 1e3:.1f} ms ({ratio:.1f} x before)"
    )


async def honest(port: int, seconds: float) -> list[float]:
    """Return the latencies of a client that runs apart from this process."""
    command = python("benchmarks.honest", str(port), str(seconds))
    asking = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    said, _ = await asking.communicate()
    times: list[float] = json.loads(said)
    return times


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def campaign(stand: Stand, counts: Counts, sizes: tuple[int, int, int, int]) -> None:
    count, seed, keys, each = sizes
    await ask(stand.port, GOOD)
    if count:
        await bad_requests(stand, counts, count, seed)
    if keys:
        await wrong_keys(stand, counts, keys)
    if each:
        await slow(stand, counts, each)
    await asyncio.sleep(3)


async def bad_requests(stand: Stand, counts: Counts, count: int, seed: int) -> None:
    logged = len(stand.log_lines())
    await hand_made(stand, counts)
    await mutated(stand, counts, count, seed)
    await hosts(stand, counts)
    await injections(stand, counts)
    await asyncio.sleep(1)
    lines, calls = len(stand.log_lines()) - logged, len(counts.call_ids)
    if lines > calls:
        counts.bad.append(f"{lines} log lines for {calls} calls")
    counts.say("log lines for the calls so far", f"{lines} for {calls}")
    counts.bad += await huge(stand, counts.say)


@click.command()
@click.option("--mutations", "count", default=2000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--wrong-keys", "keys", default=10_000, show_default=True)
@click.option("--slow", "each", default=500, show_default=True, help="Slow connections of each of three kinds.")
@click.option("--examples", default=60, show_default=True, help="Of schemathesis for each operation; 0: none.")
@click.option("--schemathesis", "program", default=USUAL, show_default=True, help="Where schemathesis is.")
def main(count: int, seed: int, keys: int, each: int, examples: int, program: str) -> None:
    """Send bad requests and print the counts; exit 1 when something happened that should not."""
    counts, began = Counts(), time.monotonic()
    with standing() as stand:
        asyncio.run(campaign(stand, counts, (count, seed, keys, each)))
        if examples:
            counts.bad += fuzz_own_spec(stand, program, examples, counts.say)
        traces = sum("Traceback" in line or '"traceback"' in line for line in stand.log_lines())
        stand.server.process.terminate()
        stand.server.process.wait(60)
        known = ended_calls(stand.ledger)
    missing = sum(call not in known for call in counts.call_ids)
    if missing or traces:
        counts.bad.append(f"{missing} calls without a record, {traces} tracebacks")
    counts.say("replies with a call id; without a record", f"{len(counts.call_ids)}; {missing}")
    counts.say("tracebacks in the logs", traces)
    counts.say("what should not have happened", len(counts.bad))
    counts.say("seconds", f"{time.monotonic() - began:.0f}")
    finish(counts.bad)


if __name__ == "__main__":
    main()
