"""`make bench-peers`: what a governed call costs beside LiteLLM's proxy and llm-shield-proxy, in the same run.

Every round starts each server in turn, alone on one core, with upstream and load on the other; the rounds interleave,
so that a disturbance of the machine meets all of them. Nothing is asserted: the table says where a goal is missed.
`--keep FILE` adds the rounds to a file; `--report` prints the table of all rounds in it.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from benchmarks.bench import KEY, cpu_per_call, drive
from benchmarks.disk import group_commit_ms
from benchmarks.load import Load
from benchmarks.payload import request_body
from benchmarks.peers.report import page
from benchmarks.peers.subjects import BURSTS, FIRST, LONG, PACED, SHORT, SUBJECTS, Ports, Subject
from benchmarks.servers import Server, free_port, python, started, wait_ready

Figures = dict[str, float]


def wait_answered(port: int, *, seconds: float = 90) -> None:
    """Wait until a call is answered with 200."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    call = {"method": "POST", "body": request_body(1), "headers": headers}
    wait_ready(port, "/v1/chat/completions", seconds=seconds, timeout_s=30, **call)


class Numbers:
    """Hands out request numbers that no other measurement of this run has used."""

    def __init__(self) -> None:
        self.next = 1_000

    def take(self, count: int) -> int:
        self.next += count
        return self.next - count


def latencies(port: int, numbers: Numbers, fresh: bool) -> Figures:
    """Measure one call after another, and the first token of both shapes."""
    load = Load(port, 250, key=KEY, first=numbers.take(250), fresh=fresh)
    found = {"p50_ms": statistics.median(drive(load).latencies_ms)}
    for shape, name in zip(FIRST, ("trail", "lead"), strict=True):
        stream = Load(port, 30, stream=True, model=shape, key=KEY, first=numbers.take(30), fresh=fresh)
        result = drive(stream)
        found[f"first_{name}_ms"] = statistics.median(result.first_token_ms)
        found[f"word_{name}_ms"] = statistics.median(result.first_word_ms)
    return found


def per_chunk_us(server: Server, shape: str, streams: int, numbers: Numbers) -> float:
    """Return the CPU of a streamed chunk: long streams less short ones, so that the call itself drops out."""
    costs = []
    for chunks in (LONG, SHORT):
        load = Load(server.port, streams, 16, stream=True, model=shape.format(n=chunks), key=KEY)
        load.first = numbers.take(streams)
        costs.append(cpu_per_call(server, None, load)[0])
    return (costs[0] - costs[1]) / (LONG - SHORT)


def per_call(server: Server, recorder: Server | None, subject: Subject, numbers: Numbers, fresh: bool) -> Figures:
    load = Load(server.port, subject.calls, 32, key=KEY, first=numbers.take(subject.calls), fresh=fresh)
    spent, beside, result = cpu_per_call(server, recorder, load)
    return {"cpu_us": spent, "recorder_us": beside, "per_second": subject.calls / result.seconds}


@contextmanager
def standing(subject: Subject, folder: Path, upstream: int) -> Iterator[tuple[Server, Server | None, float]]:
    """Start a server alone on core 0, and time it until it answers its first call."""
    ports = Ports(upstream, free_port(), free_port())
    folder.mkdir()
    with ExitStack() as stack:
        start = subject.start(folder, ports)
        recorder = None
        if start.recorder:
            recorder = stack.enter_context(started(start.recorder, ports.recorder, env=start.environment, core=1))
            wait_ready(ports.recorder, "/healthz")
        began = time.monotonic()
        server = stack.enter_context(started(start.argv, ports.server, env=start.environment, core=0))
        wait_answered(ports.server)
        yield server, recorder, time.monotonic() - began


def measured(subject: Subject, folder: Path, upstream: int, numbers: Numbers) -> dict[str, Figures]:
    """Return the figures of every row of one server."""
    rows: dict[str, Figures] = {}
    with standing(subject, folder, upstream) as (server, recorder, cold_start_s):
        server.settle()
        for row in subject.rows:
            fresh = row == "cold"
            drive(Load(server.port, 200, 8, key=KEY, first=numbers.take(200), fresh=fresh))
            figures = per_call(server, recorder, subject, numbers, fresh) | latencies(server.port, numbers, fresh)
            figures["cold_start_s"] = cold_start_s
            rows[f"{subject.name} {row}".strip()] = figures
        streams = max(32, subject.calls // 20)
        for shape, name in zip((*BURSTS, PACED), ("burst_us", "burst_lead_us", "paced_us"), strict=True):
            figures[name] = per_chunk_us(server, shape, 32 if shape == PACED else streams, numbers)
        sizes = server.memory_mb()
        figures |= {"memory_mb": sizes["largest"], "tree_mb": sizes["tree"]}
    return rows


def one_round(only: str) -> dict[str, Figures]:
    """Measure the disk, the bare upstream and every server once."""
    numbers, rows = Numbers(), {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, upstream = Path(name), free_port()
        stack.enter_context(started(python("benchmarks.upstream", str(upstream)), upstream, core=1))
        wait_ready(upstream, "/")
        rows["direct"] = latencies(upstream, numbers, fresh=False) | {"commit_ms": group_commit_ms(folder)}
        for subject in SUBJECTS:
            if only in subject.name:
                rows |= measured(subject, folder / subject.name.replace(" ", "-"), upstream, numbers)
                click.echo(f"measured: {subject.name}", err=True)
    return rows


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often every server is measured.")
@click.option("--only", default="", help="Measure the servers whose name holds this.")
@click.option("--keep", type=click.Path(path_type=Path, dir_okay=False), help="A file that the rounds are added to.")
@click.option("--report", is_flag=True, help="Measure nothing; print the table of what is in --keep.")
def main(rounds: int, only: str, keep: Path | None, report: bool) -> None:
    """Compare the gateway with its peers and print a page of Markdown."""
    found = json.loads(keep.read_text()) if keep and keep.exists() else []
    for _ in range(0 if report else rounds):
        found.append(one_round(only))
        if keep:
            keep.write_text(json.dumps(found))
    click.echo(page(found))


if __name__ == "__main__":
    main()
