"""`make bench`: what governing costs, against a bare pass-through with the same client, in the same run.

Figures are CPU microseconds of the servers' whole process trees (they do not move when another program takes the
core), plus latency at one connection, memory after load and cold start. The gateway runs with one worker and
structured kinds, every record synced before the answer ends. Nothing is asserted: this measures.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.disk import group_commit_ms
from benchmarks.load import Load, Result
from benchmarks.servers import ROOT, Server, free_port, pinned, python, started, wait_ready

KEY = "sk-sluice-" + "b" * 43
CALLS, STREAMS, CHUNKS = 4_000, 150, 200
ROUNDS = 3


@dataclass
class Row:
    """One server's figures; every list holds one value per round."""

    name: str
    cpu_us: list[float] = field(default_factory=list)
    recorder_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    first_token_ms: list[float] = field(default_factory=list)
    chunk_us: list[float] = field(default_factory=list)
    chunk_lead_us: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    tree_mb: float = 0.0
    cold_start_s: float = 0.0


def drive(load: Load) -> Result:
    """Run the load in its own process, on the other core."""
    argv = python("benchmarks.load", json.dumps(load.__dict__))
    done = subprocess.run(pinned(argv, 1), cwd=ROOT, capture_output=True, check=True)
    result = Result(**json.loads(done.stdout))
    if result.failed:
        raise RuntimeError(f"{result.failed} of {load.calls} calls failed: the figure would mean nothing")
    return result


def cpu_per_call(server: Server, recorder: Server | None, load: Load) -> tuple[float, float, Result]:
    """Return CPU microseconds per call of the server and of the recorder beside it."""
    before, recorder_before = server.cpu_us(), recorder.cpu_us() if recorder else 0.0
    result = drive(load)
    spent = server.cpu_us() - before
    if recorder:
        time.sleep(1.0)  # the recorder works behind the calls; let it finish what belongs to them
    recorder_spent = recorder.cpu_us() - recorder_before if recorder else 0.0
    return spent / load.calls, recorder_spent / load.calls, result


def one_round(row: Row, server: Server, recorder: Server | None, number: int) -> None:
    base = number * 1_000_000
    cpu, recorder_cpu, result = cpu_per_call(server, recorder, Load(server.port, CALLS, 32, key=KEY, first=base))
    row.cpu_us.append(cpu)
    row.recorder_us.append(recorder_cpu)
    row.per_second.append(CALLS / result.seconds)
    row.p50_ms.append(statistics.median(drive(Load(server.port, 600, 1, key=KEY, first=base + 100_000)).latencies_ms))
    for shape, into in (("burst", row.chunk_us), ("burst-lead", row.chunk_lead_us)):
        into.append(chunk_cost(server, shape, base))
    paced = drive(Load(server.port, 20, 4, stream=True, model="paced-20-20", key=KEY, first=base + 400_000))
    row.first_token_ms.append(statistics.median(paced.first_token_ms))


def chunk_cost(server: Server, shape: str, base: int) -> float:
    """Return CPU microseconds per streamed chunk: long streams less short ones, so that the call itself drops out."""
    kind, _, lead = shape.partition("-")
    costs = []
    for chunks in (CHUNKS, 10):
        model = f"{kind}-{chunks}" + (f"-{lead}" if lead else "")
        cpu, _, _ = cpu_per_call(
            server, None, Load(server.port, STREAMS, 8, stream=True, model=model, key=KEY, first=base + chunks)
        )
        costs.append(cpu)
    return (costs[0] - costs[1]) / (CHUNKS - 10)


def cold_start_s(argv: list[str], port: int, env: dict[str, str]) -> float:
    begin = time.monotonic()
    with started(argv, port, env=env):
        wait_ready(port, "/readyz")
        return time.monotonic() - begin


def gateway_env(folder: Path, upstream: int, port: int, recorder: int) -> dict[str, str]:
    return {
        "SLUICE_DATA": str(folder),
        "SLUICE_POLICIES": str(ROOT / "benchmarks/policies/structured"),
        "SLUICE_WORKERS": "1",
        "SLUICE_PORT": str(port),
        "SLUICE_RECORDER_PORT": str(recorder),
        "SLUICE_BOOTSTRAP_KEY": KEY,
        "SLUICE_UPSTREAM": "bench",
        "SLUICE_BENCH_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
    }


def measure() -> tuple[list[Row], float, float]:
    floor, governed = Row("bare pass-through"), Row("sluice (structured, synced)")
    direct: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, ports = free_port(), [free_port() for _ in range(4)]
        stack.enter_context(started(python("benchmarks.upstream", str(upstream)), upstream, core=1))
        wait_ready(upstream, "/")
        passing = python("benchmarks.passthrough", str(ports[0]), f"http://127.0.0.1:{upstream}")
        env = gateway_env(folder / "data", upstream, ports[1], ports[2])
        sluice = [str(Path(sys.executable).parent / "sluice")]
        floor.cold_start_s = cold_start_s(passing, ports[0], {})
        recorder = stack.enter_context(started([*sluice, "recorder"], ports[2], env=env, core=1))
        wait_ready(ports[2], "/healthz")
        governed.cold_start_s = cold_start_s([*sluice, "gateway"], ports[1], env)
        servers = [
            (floor, stack.enter_context(started(passing, ports[0], core=0)), None),
            (governed, stack.enter_context(started([*sluice, "gateway"], ports[1], env=env, core=0)), recorder),
        ]
        for _, server, _ in servers:
            wait_ready(server.port, "/readyz")
            drive(Load(server.port, 500, 8, key=KEY, first=900_000))
            server.settle()
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("rounds", total=ROUNDS * len(servers))
            for number in range(ROUNDS):
                direct.append(statistics.median(drive(Load(upstream, 600, 1, first=number)).latencies_ms))
                for row, server, beside in servers:
                    one_round(row, server, beside, number + 1)
                    progress.advance(task)
        for row, server, _ in servers:
            sizes = server.memory_mb()
            row.memory_mb, row.tree_mb = sizes["largest"], sizes["tree"]
        return [floor, governed], statistics.median(direct), group_commit_ms(folder)


def show(rows: list[Row], direct_ms: float, commit_ms: float) -> Table:
    table = Table(
        title=f"direct p50 {direct_ms:.2f} ms; one group commit of this disk {commit_ms:.2f} ms; "
        f"median of {ROUNDS} rounds"
    )
    for title in (
        "server",
        "CPU us/call",
        "recorder us/call",
        "calls/s at 32",
        "added p50 ms",
        "first token ms",
        "us/chunk",
        'us/chunk " word"',
        "RSS MB",
        "tree MB",
        "cold s",
    ):
        table.add_column(title, justify="left" if title == "server" else "right")
    mid = statistics.median
    for row in rows:
        figures = (
            mid(row.cpu_us),
            mid(row.recorder_us),
            mid(row.per_second),
            mid(row.p50_ms) - direct_ms,
            mid(row.first_token_ms),
            mid(row.chunk_us),
            mid(row.chunk_lead_us),
            row.memory_mb,
            row.tree_mb,
            row.cold_start_s,
        )
        table.add_row(row.name, *(f"{figure:.2f}" if figure < 10 else f"{figure:.0f}" for figure in figures))
    return table


def main() -> None:
    rows, direct_ms, commit_ms = measure()
    Console(width=180).print(show(rows, direct_ms, commit_ms))


if __name__ == "__main__":
    main()
