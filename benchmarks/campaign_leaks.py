"""`make bench-redaction`: the public leak benchmark through a real gateway, and chunk-invariance on our streams.

`python -m benchmarks.campaign_leaks --seeds 5`; the tools live in an environment of their own.
"""

import importlib
import os
import random
import secrets
import shutil
import site
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.environments import python_of
from benchmarks.servers import ROOT, free_port, started, wait_ready
from benchmarks.stand import KEY, SLUICE, environment_of, say
from policy.blocks_redaction import Redaction
from redaction.redactor import Redactor
from redaction.types import Vault
from tests.unit.redaction.conftest import chat, clear, streamed, whole
from tests.unit.redaction.test_recognizers import FOUND, plain
from tests.unit.redaction.test_secrets import FORMATS

REQUIREMENTS = ROOT / "benchmarks/peers/requirements/leaks.txt"
LONGEST_FOR_THREE_PARTS = 45  # characters; longer specimens are cut in two, and at random


@dataclass(frozen=True)
class Bench:
    """The tool, the gateway it is pointed at, and the port on which it plays the upstream."""

    bin: Path
    gateway: str
    capture: int
    folder: Path

    def run(self, name: str, program: str, *args: str) -> subprocess.CompletedProcess[str]:
        began = time.monotonic()
        done = subprocess.run(
            [str(self.bin / program), *args],
            env={**os.environ, "CONFORMANCE_TARGET_API_KEY": KEY},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        say(name, f"exit {done.returncode}, {time.monotonic() - began:.0f} s")
        return done

    def first(self, iterations: int) -> bool:
        """Run version 1: its own control must leak, the gateway must not."""
        target = ("--target-base-url", f"{self.gateway}/v1", "--capture-port", str(self.capture))
        control = self.run(
            "v1 selfcheck without a gateway (must be 1)",
            "pii-leak-benchmark",
            *("selfcheck", "--target-base-url", "capture://self", "--capture-port", str(self.capture)),
        )
        many = ("--iterations", str(iterations))
        ours = self.run(f"v1 selfcheck, {iterations} iterations", "pii-leak-benchmark", "selfcheck", *target, *many)
        check = self.run("v1 ci", "pii-leak-benchmark", "ci", *target, "--out", "ci", *many)
        return (control.returncode, ours.returncode, check.returncode) == (1, 0, 0)

    def second(self, oracle: str, seed: str, *more: str) -> bool:
        """Run version 2 with one oracle and seed."""
        row = self.folder / f"{oracle}-{seed}.json"
        done = self.run(
            f"v2 {oracle} seed {seed}",
            "pii-leak-benchmark-v2",
            *("--validate", "--out", f"v2-{oracle}-{seed}", "--only", "ours", "--model", "bench", "--seed", seed),
            *("--gateway-url", f"{self.gateway}/v1/chat/completions", "--upstream-port", str(self.capture)),
            *("--oracle", oracle, "--json-out", str(row), *more),
        )
        lines = [line.strip() for line in done.stdout.splitlines() if "outcome" in line or "artial" in line]
        for line in lines or done.stderr.splitlines()[-3:]:
            click.echo(f"    {line[:160]}")
        return done.returncode == 0 and any("outcome=pass" in line.replace(" ", "") for line in lines)


@contextmanager
def gateway(folder: Path, upstream: int) -> Iterator[str]:
    """Run a gateway with the structured kinds both ways."""
    env = environment_of(folder, ROOT / "benchmarks/policies/structured", upstream)
    with started([SLUICE, "gateway"], int(env["SLUICE_PORT"]), env=env):
        wait_ready(int(env["SLUICE_PORT"]), "/readyz")
        yield f"http://127.0.0.1:{env['SLUICE_PORT']}"


def specimens() -> Iterator[tuple[str, Vault]]:
    """Give every kind's specimens, and placeholders to restore."""
    redactor = Redactor(Redaction(), b"k" * 32)
    for _, marked in FOUND:
        yield f"It says: {plain(marked)[0]} ok.", Vault()
    for secret in FORMATS:
        yield f"It says: {secret} ok.", Vault()
    vault = clear(redactor, chat("I am ada@example.com, 415-555-0132")).vault
    yield f"Dear {' or '.join(vault.values)} **bye**", vault


def invariance(packages: Path, rounds: int, longest: int = LONGEST_FOR_THREE_PARTS) -> tuple[int, int]:
    """Check every specimen with `chunk-invariance`, those up to `longest` in all three-part splits too.

    Gives how many specimens there were, and how many splits.
    """
    site.addsitedir(str(packages))
    check: Callable[..., int] = importlib.import_module("chunk_invariance").assert_chunk_invariant
    redactor, rnd = Redactor(Redaction(), b"k" * 32), random.Random(7)
    count = splits = 0
    for text, vault in specimens():
        streams, wholes = _filters(redactor, vault)
        parts: Sequence[Any] = [2, 3] if len(text) <= longest else [2]
        splits += sum(check(streams, wholes, text, splits=part) for part in parts)
        count += 1
    texts = [text for text, _ in specimens()]
    streams, wholes = _filters(redactor, Vault())
    for _ in range(rounds):
        text = " ".join(rnd.sample(texts, 3))
        cuts = sorted(rnd.sample(range(1, len(text)), min(len(text) - 1, rnd.randint(1, 12))))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        splits += check(streams, wholes, text, splits=[pieces])
    return count, splits


def _filters(redactor: Redactor, vault: Vault) -> tuple[Callable[[Iterable[str]], list[str]], Callable[[str], str]]:
    return lambda pieces: [streamed(redactor, vault, list(pieces))[1]], lambda text: whole(redactor, vault, text)[1]


@click.command(help=__doc__)
@click.option("--seeds", default=3, help="Random seeds for each oracle of version 2.")
@click.option("--iterations", default=20)
@click.option("--random-splits", "rounds", default=1000)
@click.option("--longest", default=LONGEST_FOR_THREE_PARTS, help="Longest text that is cut in all three-part ways.")
@click.option("--only", type=click.Choice(["leaks", "splits"]), default=None)
def main(seeds: int, iterations: int, rounds: int, longest: int, only: str | None) -> None:
    python = python_of(REQUIREMENTS)
    good = True
    if only != "splits":
        good = leaks(python.parent, seeds, iterations)
    if only != "leaks":
        packages = next((python.parent.parent / "lib").glob("python*/site-packages"))
        count, splits = invariance(packages, rounds, longest)
        say("chunk-invariance: texts, splits alike", f"{count} + {rounds}, {splits}")
    raise SystemExit(0 if good else 1)


def leaks(tools: Path, seeds: int, iterations: int) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="sluice-leaks-"))
    capture = free_port()
    try:
        with gateway(folder, capture) as url:
            bench = Bench(tools, url, capture, folder)
            passed = [bench.first(iterations)]
            for _ in range(seeds):
                passed.append(bench.second("union-worst-case", secrets.token_hex(8)))
                passed.append(bench.second("exhaustive-2-part", secrets.token_hex(8), "--partial-emission"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return all(passed)


if __name__ == "__main__":
    main()
