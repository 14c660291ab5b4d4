"""`make campaign-drain`: stop gateways under load, replace them without a failed call, slow readers, overload."""

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import click
import psutil

from benchmarks.hostile_requests import chat
from benchmarks.overload import overload, pressure
from benchmarks.rawhttp import Reply, ask
from benchmarks.servers import free_port, python, started, wait_ready
from benchmarks.stand import KEY, SLUICE, Tries, ended_calls, environment_of, finish, processes, say, write_policies

GRACE_S = 2.0
STREAMS, HUNG = 50, 20
FIRST_READERS, READER_KIB = 50, 64
ROWS = ("stops", "rolling", "readers", "overload", "pressure")


@dataclass
class Site:
    """One data folder and one upstream, on which gateways start and stop."""

    folder: Path
    environment: dict[str, str]
    bad: list[str] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.environment["SLUICE_PORT"])

    def note(self, name: str, reply: Reply) -> None:
        if reply.call_id:
            self.calls[reply.call_id] = name


def gateway(site: Site, listener: socket.socket | None = None, **more: str) -> subprocess.Popen[bytes]:
    """Start a gateway, on a socket that is handed to it if one is."""
    fds = [listener.fileno()] if listener else []
    given = {"SLUICE_LISTENER_FD": str(fds[0])} if fds else {}
    env = {**os.environ, **site.environment, **given, **more}
    with (site.folder / "gateway.log").open("ab") as log:
        return subprocess.Popen([SLUICE, "gateway"], env=env, pass_fds=fds, stdout=log, stderr=log, cwd=site.folder)


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return processes(process.pid, "gateway.worker")


def wait_serving(process: subprocess.Popen[bytes], site: Site, count: int) -> None:
    """Wait until all workers of this gateway have written what they serve."""
    for _ in range(1800):
        words = [file.read_text("utf-8") for file in (site.folder / "data" / "status").glob("*.json")]
        said = [pid for pid in (worker.pid for worker in workers(process)) if any(f'"pid": {pid},' in w for w in words)]
        if len(said) >= count and any('"snapshot": "' in word for word in words):
            return
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise TimeoutError("the gateway does not serve")


async def one_stop(site: Site, process: subprocess.Popen[bytes]) -> tuple[float, Counter[str]]:
    """Stop a gateway with streams that end in time, streams that do not, and calls that hang."""
    # Connections are taken in their order: once the streams run, the calls that hang are in as well.
    shapes = ["hang"] * HUNG + ["words-20-20", "words-2000-20"] * (STREAMS // 2)
    replies = [Reply() for _ in shapes]
    calls = [
        asyncio.create_task(ask(site.port, chat(model=model, stream=True), 20, into))
        for model, into in zip(shapes, replies, strict=True)
    ]
    for _ in range(500):
        await asyncio.sleep(0 if all(reply.headers for reply in replies[HUNG:]) else 0.02)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(process.wait, 60)
    seconds = time.monotonic() - began
    ends: Counter[str] = Counter()
    for shape, reply in zip(shapes, await asyncio.gather(*calls), strict=True):
        end = how_it_ended(reply)
        ends[f"{'hung' if shape == 'hang' else 'stream'}: {end}"] += 1
        site.note(end, reply)
        if end == "cut" or (shape == "words-20-20" and end != "complete"):
            site.bad.append(f"{shape} ended as {end}: {reply.status} {reply.body[-150:]!r}")
    if code:
        site.bad.append(f"exit code {code}")
    return seconds, ends


def how_it_ended(reply: Reply) -> str:
    if reply.body.endswith(b"data: [DONE]\n\n"):
        return "complete"
    if b'"code":"interrupted"' in reply.body:
        return "interrupted"
    return "failed" if reply.openai_error else "cut"  # an explicit error: the upstream took too long, say


def stops(site: Site, cycles: int) -> None:
    times, ends = [], Counter[str]()
    for _ in range(cycles):
        process = gateway(site, SLUICE_WORKERS="1", SLUICE_GRACE_S=str(GRACE_S))
        wait_serving(process, site, 1)
        seconds, said = asyncio.run(one_stop(site, process))
        times.append(seconds)
        ends += said
    if max(times) > GRACE_S + 1:
        site.bad.append(f"a stop took {max(times):.2f} s with a grace of {GRACE_S:g} s")
    say(
        f"stops with {STREAMS} streams and {HUNG} hung calls",
        f"{cycles}; slowest exit {max(times):.2f} s, grace {GRACE_S:g} s",
    )
    for name, count in sorted(ends.items()):
        say(f"  {name}", count)


async def rolling(site: Site, rounds: int) -> None:
    """Replace gateways on one shared socket, again and again, under load."""
    with socket.create_server(("127.0.0.1", site.port), backlog=1024) as listener:
        await replacing(site, rounds, listener)


async def replacing(site: Site, rounds: int, listener: socket.socket) -> None:
    results: Counter[str] = Counter()
    stop = asyncio.Event()

    async def client(seed: int) -> None:
        async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as session:
            while not stop.is_set():
                stream = seed % 2 == 0
                body: dict[str, object] = {"model": "words-10-10" if stream else "ok", "stream": stream}
                try:
                    results[await one_call(session, site, body)] += 1
                except aiohttp.ClientError as error:
                    results[type(error).__name__] += 1

    old = await asyncio.to_thread(gateway, site, listener)
    await asyncio.to_thread(wait_serving, old, site, 2)
    clients = [asyncio.create_task(client(seed)) for seed in range(8)]
    for _ in range(rounds):
        new = await asyncio.to_thread(gateway, site, listener)
        await asyncio.to_thread(wait_serving, new, site, 2)
        old.send_signal(signal.SIGTERM)
        await asyncio.to_thread(old.wait, 60)
        old = new
    stop.set()
    await asyncio.gather(*clients)
    old.send_signal(signal.SIGTERM)
    await asyncio.to_thread(old.wait, 60)
    failed = sum(count for name, count in results.items() if name != "ok")
    if failed:
        site.bad.append(f"rolling restarts: {dict(results)}")
    say(
        f"rolling restarts, {rounds} rounds under load",
        f"{results['ok']} calls, {failed} failed {dict(results) if failed else ''}",
    )


async def one_call(session: aiohttp.ClientSession, site: Site, changes: dict[str, object]) -> str:
    body = {"messages": [{"role": "user", "content": "hi"}], **changes}
    async with session.post(f"http://127.0.0.1:{site.port}/v1/chat/completions", json=body) as answer:
        data = await answer.read()
        whole = b"[DONE]" in data if changes["stream"] else bool(data)
        if answer.status != 200 or not whole:
            return f"{answer.status} {data[-80:]!r}"
        site.calls[answer.headers["x-sluice-call-id"]] = "complete"
        return "ok"


async def slow_readers(site: Site, process: subprocess.Popen[bytes], clients: int, model: str) -> None:
    """Read 10 MB answers a byte a second: what one more such client costs, beside what the first ones made grow."""
    (worker,) = workers(process)
    body = chat(model=model, stream=True)
    socks = [slow_reader(site.port, body) for _ in range(FIRST_READERS)]
    await asyncio.sleep(3)
    before = peak = worker.memory_info().rss
    socks += [slow_reader(site.port, body) for _ in range(clients)]
    for _ in range(10):
        await asyncio.sleep(1)
        for sock in socks:
            sock.recv(1)
        peak = max(peak, worker.memory_info().rss)
    honest = await ask(site.port, chat())
    for sock in socks:
        sock.close()
    each = (peak - before) / clients / 1024
    if honest.status != 200 or each > READER_KIB:
        site.bad.append(f"slow readers: {each:.0f} KiB each, then {honest.status}")
    say(f"slow readers of 10 MB answers, {model}: {clients}", f"{each:.1f} KiB each (limit {READER_KIB})")


def slow_reader(port: int, body: bytes) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(body)
    return sock


@contextmanager
def site_of(folder: Path) -> Iterator[Site]:
    upstream = free_port()
    with started(python("benchmarks.faulty_upstream", str(upstream)), upstream):
        policies = write_policies(folder / "policies", "block", 240, 240, Tries(connect_s=10.0))
        yield Site(folder, environment_of(folder, policies, upstream))


def audit(site: Site) -> None:
    """Let a recorder read what all those gateways left, and compare."""
    recorder = int(site.environment["SLUICE_RECORDER_PORT"])
    with started([SLUICE, "recorder"], recorder, env=site.environment):
        wait_ready(recorder, "/readyz")
        time.sleep(4)
    known = ended_calls(site.folder / "data" / "ledger.duckdb")
    wanted = {"complete": "ok", "interrupted": "interrupted", "refused": "refused", "failed": "error"}
    missing = [call for call in site.calls if call not in known]
    wrong = [
        (end, known[call][0]) for call, end in site.calls.items() if call in known and known[call][0] != wanted.get(end)
    ]
    if missing or wrong:
        site.bad.append(f"{len(missing)} calls without a record; recorded otherwise: {Counter(wrong)}")
    say("calls with an id; without a record", f"{len(site.calls)}; {len(missing)}")


def note(site: Site, refused: list[Reply]) -> None:
    for reply in refused:
        site.note("refused", reply)


def loaded(site: Site, act: Callable[[subprocess.Popen[bytes]], None]) -> None:
    """Run something against a gateway of one worker."""
    process = gateway(site, SLUICE_WORKERS="1", SLUICE_GRACE_S="1")
    try:
        wait_serving(process, site, 1)
        act(process)
    finally:
        process.terminate()
        process.wait(60)


def reading(site: Site, clients: int, model: str) -> Callable[[subprocess.Popen[bytes]], None]:
    return lambda process: asyncio.run(slow_readers(site, process, clients, model))


@click.command()
@click.option("--cycles", default=100, show_default=True, help="Stops under load.")
@click.option("--rounds", default=10, show_default=True, help="Rolling restarts.")
@click.option("--readers", default=100, show_default=True, help="Slow readers.")
@click.option("--pressure", "seconds", default=60.0, show_default=True, help="Seconds at ten times what fits.")
@click.option("--row", "rows", multiple=True, type=click.Choice(ROWS), default=ROWS, help="Only these rows.")
def main(cycles: int, rounds: int, readers: int, seconds: float, rows: tuple[str, ...]) -> None:
    """Stop and replace gateways and print the counts; exit 1 when something happened that should not."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="sluice-drain-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        site = stack.enter_context(site_of(folder))
        if "stops" in rows:
            stops(site, cycles)
        if "rolling" in rows:
            asyncio.run(rolling(site, rounds))
        if "readers" in rows:
            for model in ("tokens-10", "flood-10"):
                loaded(site, reading(site, readers, model))
        if "overload" in rows:
            loaded(site, lambda _process: note(site, asyncio.run(overload(site.port, 200, site.bad))))
        if "pressure" in rows:
            loaded(site, lambda process: asyncio.run(pressure(site.port, workers(process)[0], seconds, site.bad)))
        audit(site)
    say("what should not have happened", len(site.bad))
    say("seconds", f"{time.monotonic() - began:.0f}")
    finish(site.bad)


if __name__ == "__main__":
    main()
