"""`make campaign-clients`: what real, unmodified client libraries make of a gateway.

Each client lives in an environment of its own. Its script (tests/clients) calls a real product, whose upstream is the
simulated provider; between them stands a relay that keeps every byte, so that what must not leave is looked for there.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.environments import node_modules_of, python_of
from benchmarks.servers import ROOT, free_port
from tests.product import KEY, Product, running_product

SCRIPTS = ROOT / "tests/clients"
CHECKS = (
    "call", "stream", "tools", "structured", "responses", "background", "embeddings", "refused", "usage", "restored",
)  # fmt: skip
NEVER_SENT = (b"maria.schneider", b"AKIAIOSFODNN7EXAMPLE")
ROUTING = "\nrouting: {candidates: [{model: simulated-large}]}\n"  # so that clients may ask for the models they know


@dataclass(frozen=True)
class Client:
    """One row of the table: a script, and the file that pins what it needs."""

    name: str
    script: str
    packages: str

    def missing(self) -> str:
        """Say what this machine lacks for it."""
        return "Node and npm" if self.script.endswith(".mjs") and not shutil.which("npm") else ""

    def command(self) -> list[str]:
        if self.script.endswith(".mjs"):
            return ["node", str(node_modules_of(SCRIPTS / "node") / self.script)]
        return [str(python_of(SCRIPTS / "requirements" / f"{self.packages}.txt")), str(SCRIPTS / self.script)]

    def version(self) -> str:
        if self.script.endswith(".mjs"):
            return str(json.loads((SCRIPTS / "node/package.json").read_text())["dependencies"][self.packages])
        first = (SCRIPTS / "requirements" / f"{self.packages}.in").read_text().split()[0]
        return first.partition("==")[2]


CLIENTS = (
    Client("openai (Python)", "openai_sync.py", "openai"),
    Client("openai (Python, async)", "openai_async.py", "openai"),
    Client("openai (Node)", "openai.mjs", "openai"),
    Client("LangChain (langchain-openai)", "langchain_chat.py", "langchain"),
    Client("LlamaIndex (llama-index-llms-openai)", "llamaindex_chat.py", "llamaindex"),
    Client("instructor", "instructor_chat.py", "instructor"),
    Client("pydantic-ai", "pydantic_ai_agent.py", "pydantic-ai"),
    Client("Vercel AI SDK (ai)", "vercel.mjs", "ai"),
)


@dataclass
class Relay:
    """Passes bytes on to one port and keeps those of the requests."""

    to: int
    port: int = 0
    sent: bytearray = field(default_factory=bytearray)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            back, forth = await asyncio.open_connection("127.0.0.1", self.to)
            with closing(forth):
                await asyncio.gather(self.pass_on(reader, forth, keep=True), self.pass_on(back, writer, keep=False))

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool) -> None:
        while data := await reader.read(65_536):
            if keep:
                self.sent += data
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(self, runs: Future[Callable[[], object]]) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self.connected, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            runs.set_result(lambda: loop.call_soon_threadsafe(over.set))
            await over.wait()


@contextmanager
def relaying(to: int) -> Iterator[Relay]:
    """Relay to a port as long as the block lasts."""
    relay, runs = Relay(to), Future[Callable[[], object]]()
    thread = threading.Thread(target=lambda: asyncio.run(relay.serve(runs)))
    thread.start()
    stop = runs.result(10)
    try:
        yield relay
    finally:
        stop()
        thread.join()


@dataclass
class Place:
    """A running product, and the relay in front of its upstream."""

    product: Product
    relay: Relay

    def leaked(self) -> list[str]:
        """Return what was sent upstream although it never should have been."""
        assert b"[EMAIL_" in self.relay.sent, "the relay saw no placeholder: nothing can be said about what left"
        return [value.decode() for value in NEVER_SENT if value in self.relay.sent]


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Run the simulated provider, the relay and `sluice up` with the shipped policies."""
    policies = shutil.copytree(ROOT / "policies", folder / "policies")
    with (policies / "_defaults.yaml").open("a") as defaults:
        defaults.write(ROUTING)
    upstream, flags = free_port(), ("--no-dashboard", "--no-worker")
    with (
        relaying(upstream) as relay,
        running_product(folder, *flags, policies=policies, provider_port=upstream, seen_at=relay.port) as product,
    ):
        yield Place(product, relay)


@dataclass
class Row:
    """What one client's script said, by check; `wrong` is why it stopped."""

    said: dict[str, str]
    wrong: str
    records: int


def strict_key(product: Product) -> str:
    """Make a key whose policy refuses secrets, and give the gateway its second to learn of it."""
    key = product.sluice("keys", "create", "--name", "strict", "--automation", "support-drafting").split()[0]
    time.sleep(1.0)
    return key


def tried(product: Product, command: list[str], run: str, strict: str) -> Row:
    """Run one client's script, and count the calls that the ledger has under its run id."""
    keys = {"OPENAI_BASE_URL": product.base_url, "OPENAI_API_KEY": KEY, "STRICT_KEY": strict, "RUN_ID": run}
    quiet = {"LLAMA_INDEX_CACHE_DIR": str(product.data / "cache")}
    done = subprocess.run(
        command, env={**product.environment, **keys, **quiet}, capture_output=True, text=True, timeout=180, check=False
    )
    found: list[Mapping[str, str]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    time.sleep(2.0)  # the recorder is at most two seconds behind
    records = json.loads(product.sluice("calls", "list", "--run", run, "--limit", "1000", "--json"))
    lines = done.stderr.strip().splitlines() or ["no reason given"]
    wrong = next((line for line in lines if "Error" in line), lines[-1]) if done.returncode else ""
    return Row({line["check"]: line["said"] for line in found}, wrong, len(records))


@click.command()
@click.option("--only", help="Run the clients whose name holds this word.", default="")
def main(only: str) -> None:
    """Try every client; exit 1 when a check does not hold or a value left the machine."""
    wanted = [client for client in CLIENTS if only.lower() in client.name.lower()]
    for client in wanted:
        if client.missing():
            click.echo(f"{client.name} is not tried: this machine lacks {client.missing()}.", err=True)
    chosen = [client for client in wanted if not client.missing()]
    commands = {client: client.command() for client in chosen}
    failures: list[str] = []
    click.echo(f"| client | version | {' | '.join(CHECKS)} | labelled records |")
    click.echo("|---" * (len(CHECKS) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as here:
        strict = strict_key(here.product)
        for number, client in enumerate(chosen):
            row = tried(here.product, commands[client], f"client-{number}", strict)
            cells = ["yes" if check in row.said else "**no**" if row.wrong else "-" for check in CHECKS]
            click.echo(f"| {client.name} | {client.version()} | {' | '.join(cells)} | {row.records} |")
            why = row.wrong or f"{len(row.said)} checks said, {row.records} records"
            failures += [f"{client.name}: {why}"] if row.wrong or not row.records or not row.said else []
        failures += [f"sent upstream: {value}" for value in here.leaked()]
        click.echo(f"\n{len(here.relay.sent) / 1e3:.0f} kB went upstream; values that may not: {len(here.leaked())}.")
    for failure in failures:
        click.echo(f"  failed: {failure}", err=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
