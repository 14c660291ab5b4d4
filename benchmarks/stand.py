"""A whole product for a campaign: `sluice up` with policies made for it, and an upstream that misbehaves on demand."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

import click
import duckdb
import psutil

from benchmarks.servers import Server, free_port, python, started, wait_ready

KEY = "sk-sluice-" + "c" * 43
SLUICE = str(Path(sys.executable).parent / "sluice")
POLICY = """
policy: campaign
schema: 1
owner: maintainers@example.com
applies_to: {}
redaction:
  names: "off"
  request: {contact: {operator: pseudonym}, finance: {operator: pseudonym}}
  answer: {contact: {operator: replace}, finance: {operator: replace}}
  restore: caller
delivery: live
failure: {log: FAILURE}
retention: {content: 30d, metadata: 400d}
routing: {retries: {attempts: RETRIES}}
"""
TIMES = "timeouts: {connect_s: CONNECT, first_byte_s: FIRST, idle_s: IDLE, total_s: 600}, breaker: BREAKER"
PROVIDERS = f"""
schema: 1
providers:
  bench: {{base_url_env: SLUICE_BENCH_BASE_URL, api_key_env: SLUICE_BENCH_KEY, {TIMES}}}
  dead: {{base_url: "http://127.0.0.1:1/v1", {TIMES}}}
  silent: {{base_url_env: SLUICE_BENCH_SILENT_URL, {TIMES}}}
  nowhere: {{base_url: "http://sluice.invalid/v1", {TIMES}}}
"""


class Tries(NamedTuple):
    """What the policies say about tries and breakers; usually one try, to count what one broken answer does."""

    retries: int = 0
    breaker: str = "{failures: 1000000, min_calls: 1000000}"
    connect_s: float = 1.0


ONE_TRY = Tries()


@dataclass(frozen=True)
class Stand:
    """A running product."""

    folder: Path
    port: int
    recorder: int
    server: Server
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def ledger(self) -> Path:
        return self.data / "ledger.duckdb"

    def workers(self) -> list[psutil.Process]:
        return processes(self.server.process.pid, "gateway.worker")

    def log_lines(self) -> list[str]:
        """Return every line that the programs have logged."""
        return [line for path in (self.data / "logs").glob("*.log") for line in path.read_text("utf-8").splitlines()]


def say(name: str, value: object) -> None:
    """Print one line of a campaign's counts."""
    click.echo(f"{name:44} {value}")


# Figures are written into the reference only where somebody asks for it: a short run says less than a whole one.
page_option = click.option("--page", type=click.Path(path_type=Path), help="Page whose section is written anew.")


@dataclass(kw_only=True)
class Figures:
    """What a campaign counted, and what missed its figure."""

    lines: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def say(self, name: str, value: object, *, well: bool = True) -> None:
        """Print and keep one figure."""
        say(name, value)
        self.lines.append(f"| {name} | {value} |")
        if not well:
            self.bad.append(f"{name}: {value}")

    def end(self, page: Path | None, heading: str, introduction: str) -> NoReturn:
        """Put the figures into their section of the page, if there is one, and exit: 1 when one was missed."""
        if page is not None:
            write_page(page, heading, introduction, self.lines)
        finish(self.bad)


def finish(bad: Collection[str]) -> NoReturn:
    """Print what should not have happened, and exit: 1 when there is any."""
    for line in list(bad)[:60]:
        click.echo(f"  missed: {line}", err=True)
    sys.exit(1 if bad else 0)


def processes(parent: int, module: str) -> list[psutil.Process]:
    """Return the running descendants started with this word on their command line."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if module in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


class Peak:
    """The most memory that one of some processes takes from now on, as the kernel counts it. Linux only."""

    def __init__(self, watched: list[psutil.Process]) -> None:
        self._before = {process.pid: process.memory_info().rss for process in watched}
        for pid in self._before:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak so far

    def more_mib(self) -> float:
        """Return how much more than at the beginning that was."""
        most: int = max(self._peak(pid) - rss for pid, rss in self._before.items())
        return most / 2**20

    @staticmethod
    def _peak(pid: int) -> int:
        (kib,) = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text("ascii"))
        return int(kib) * 1024


def write_policies(
    folder: Path, failure: str, first_byte_s: float, idle_s: float, tries: Tries = ONE_TRY, policy: str = POLICY
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.yaml").write_text(policy.replace("FAILURE", failure).replace("RETRIES", str(tries.retries)))
    providers = PROVIDERS.replace("FIRST", str(first_byte_s)).replace("IDLE", str(idle_s))
    providers = providers.replace("CONNECT", str(tries.connect_s))
    (folder / "providers.yaml").write_text(providers.replace("BREAKER", tries.breaker))
    (folder / "prices.yaml").write_text("schema: 1\nprices: []\n")
    return folder


def environment_of(folder: Path, policies: Path, upstream: int, **more: str) -> dict[str, str]:
    return {
        "SLUICE_DATA": str(folder / "data"),
        "SLUICE_POLICIES": str(policies),
        "SLUICE_PORT": str(free_port()),
        "SLUICE_RECORDER_PORT": str(free_port()),
        "SLUICE_BOOTSTRAP_KEY": KEY,
        "SLUICE_UPSTREAM": "bench",
        "SLUICE_BENCH_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        **more,
    }


@contextmanager
def standing(
    failure: str = "block",
    *,
    first_byte_s: float = 1.0,
    idle_s: float = 1.0,
    at: Path | None = None,
    tries: Tries = ONE_TRY,
    policy: str = POLICY,
    **more: str,
) -> Iterator[Stand]:
    """Run the upstream and `sluice up` in a folder of its own; more settings go into the environment."""
    with ExitStack() as stack:
        folder = at or Path(tempfile.mkdtemp(prefix="sluice-campaign-"))
        if at is None:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream = free_port()
        stack.enter_context(started(python("benchmarks.faulty_upstream", str(upstream)), upstream))
        policies = write_policies(folder / "policies", failure, first_byte_s, idle_s, tries, policy)
        env = environment_of(folder, policies, upstream, **more)
        port, recorder = int(env["SLUICE_PORT"]), int(env["SLUICE_RECORDER_PORT"])
        up = [SLUICE, "up", "--no-dashboard", "--no-worker"]
        server = stack.enter_context(started(up, port, env=env))
        wait_ready(port, "/readyz")
        wait_ready(recorder, "/readyz")
        yield Stand(folder, port, recorder, server, {**os.environ, **env})


def ended_calls(ledger: Path) -> dict[str, tuple[str, str | None, str | None]]:
    """Return outcome, error code and layer of every call in the ledger of a stopped product, by call id."""
    with duckdb.connect(str(ledger), read_only=True) as db:
        rows = db.sql("select call_id, outcome, error_code, layer from calls").fetchall()
    return {call: (outcome, code, layer) for call, outcome, code, layer in rows}


def write_page(page: Path, heading: str, introduction: str, lines: list[str]) -> None:
    """Put the result into its section of the page."""
    text = page.read_text("utf-8") if page.exists() else "# Campaigns\n"
    section = "\n".join([heading, introduction, "", "| what | counted |", "|---|---|", *lines]) + "\n"
    old = re.compile(rf"^{re.escape(heading)}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = old.search(text)
    text = text[: found.start()] + section + "\n" + text[found.end() :] if found else f"{text.rstrip()}\n\n{section}"
    page.write_text(text.rstrip() + "\n", "utf-8")
