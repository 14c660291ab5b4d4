"""`make campaign-otlp`: minutes of calls while the OpenTelemetry collector refuses, hangs, is slow or is gone.

No call may wait for it: the slowest hundredth is at most a millisecond slower than beside a collector that is well,
whose own worst phase says how much this machine varies. Every call's span must arrive once, and a stop must not hang.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import click

from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import ask
from benchmarks.servers import free_port
from benchmarks.stand import Figures, Stand, finish, processes, standing
from tests.integration.metrics.otlp_collector import Collector, collecting

PHASES = ("well", "refuses", "well again", "hangs", "well after that", "is slow", "well in between", "is gone", "well")
CLIENTS, PAUSE_S = 4, 0.1
ADDED_MS = 1.0
STOP_S = 5.0
CATCH_UP_S = 90.0
MAX_MIB = 64.0


@dataclass
class Campaign(Figures):
    """A product, its collector, and what the clients saw in each phase."""

    stand: Stand
    collector: Collector
    port: int
    calls: set[str] = field(default_factory=set)
    p99_ms: dict[str, list[float]] = field(default_factory=dict)

    async def phase(self, name: str, seconds: float) -> None:
        times: list[float] = []
        ends = time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < ends:
                reply = await ask(self.stand.port, chat())
                times.append(reply.seconds * 1e3)
                if reply.status != 200 or reply.call_id is None:
                    self.bad.append(f"a call failed while the collector {name}: {reply.status}")
                else:
                    self.calls.add(reply.call_id)
                await asyncio.sleep(PAUSE_S)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        p99 = sorted(times)[int(len(times) * 0.99)]
        self.p99_ms.setdefault("well" if name.startswith("well") else "bad", []).append(p99)
        self.say(f"collector {name}: calls, p99", f"{len(times)}, {p99:.1f} ms")

    def compare(self) -> None:
        well, bad = (max(self.p99_ms[name]) for name in ("well", "bad"))
        figure = f"{well:.1f}, {bad:.1f} ms (limit {ADDED_MS:g} more)"
        self.say("worst p99 beside a good and a bad collector", figure, well=bad <= well + ADDED_MS)

    def arrived(self) -> None:
        """Wait until nothing more is on its way, and compare."""
        deadline = time.monotonic() + CATCH_UP_S
        while not self.calls <= set(self.collector.calls()) and time.monotonic() < deadline:
            time.sleep(0.5)
        counts = Counter(call for call in self.collector.calls() if call in self.calls)
        lost = len(self.calls) - len(counts)
        self.say("calls; spans that never arrived", f"{len(self.calls)}; {lost}", well=not lost)
        # What a collector took without saying so in time is sent to it again.
        self.say("calls whose span arrived more than once", sum(count > 1 for count in counts.values()))

    def stop(self) -> None:
        """Stop the product while the collector hangs."""
        self.collector.hang = True
        asyncio.run(self.phase("hangs at the stop", 2.0))
        began = time.monotonic()
        self.stand.server.process.terminate()
        self.stand.server.process.wait(60)
        seconds = time.monotonic() - began
        self.say("a stop while it hangs", f"{seconds:.2f} s (limit {STOP_S:g})", well=seconds <= STOP_S)

    def recorder_mib(self) -> float:
        rss: int = sum(each.memory_info().rss for each in processes(self.stand.server.process.pid, "recorder"))
        return rss / 2**20


@contextmanager
def misbehaving(campaign: Campaign, name: str, server: ExitStack) -> Iterator[None]:
    """Let the collector be as the phase says."""
    collector = campaign.collector
    collector.status = 503 if name == "refuses" else 200
    collector.hang, collector.slow_s = name == "hangs", 3.0 if name == "is slow" else 0.0
    if name == "is gone":
        server.close()
    yield
    collector.released.set()
    if name == "is gone":
        collector.released.clear()
        server.enter_context(collecting(collector, campaign.port))


def run(campaign: Campaign, minutes: float, server: ExitStack) -> None:
    """Go through all phases."""
    before = campaign.recorder_mib()
    for name in PHASES:
        campaign.collector.released.clear()
        with misbehaving(campaign, name, server):
            asyncio.run(campaign.phase(name, minutes * 60 / len(PHASES)))
    campaign.compare()
    campaign.arrived()
    more = campaign.recorder_mib() - before
    campaign.say("recorder, MiB more", f"{more:.0f} (limit {MAX_MIB:g})", well=more <= MAX_MIB)
    campaign.stop()


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
def main(minutes: float) -> None:
    """Let a collector misbehave and print the counts; exit 1 when a figure is missed."""
    port = free_port()
    with ExitStack() as server, ExitStack() as product:
        collector = server.enter_context(collecting(port=port))
        stand = product.enter_context(standing(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
        campaign = Campaign(stand=stand, collector=collector, port=port)
        run(campaign, minutes, server)
    finish(campaign.bad)


if __name__ == "__main__":
    main()
