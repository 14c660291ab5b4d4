"""`make run`: the whole product on this machine, with a simulated provider and sample traffic, until Ctrl-C."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click
from openai import OpenAI

import automations
from demo.inbox import Inbox, Job, jobs
from demo.keys import sample_keys, until_known
from demo.office import Office, opened, watch
from gateway.machine.running import address_of
from gateway.machine.up import is_ready
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load

SIMULATED = "simulated"
FAULT_RATE = 0.02
POLL_S = 0.25
WELCOME_S = 1.0  # `sluice up` says where everything is once it knows; our lines look better after its own
PARTS = {"gateway": "/readyz", "recorder": "/readyz", "worker": "/readyz", "dashboard": "/_stcore/health"}
STOP_S = 60.0
_PATIENCE_S = 20  # without a new result; some runs end early, wait for a person or for another try
_OURS = str(Path(next(iter(automations.__path__))))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for; `count` None means the default of the upstream."""

    count: int | None
    model: str | None
    fault_rate: float


@click.command(
    help="""Start gateway, recorder and dashboard, send sample traffic, and keep everything running until Ctrl-C.

With the simulated provider (the default) all samples are sent. With another upstream (UPSTREAM=openai) each call costs
money, so none is sent unless --samples says how many.
"""
)
@click.option(
    "--samples", "count", type=click.IntRange(min=0), help="How many samples to send (default: all, or none)."
)
@click.option("--model", help="The model to ask when the upstream is not simulated.")
@click.option("--fault-rate", default=FAULT_RATE, show_default=True, help="Share of faults of the simulated provider.")
def main(count: int | None, model: str | None, fault_rate: float) -> None:
    environ = {**os.environ, "SLUICE_UPSTREAM": upstream_of(os.environ)}
    try:
        settings = load(environ, Path.cwd())
    except SettingsError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.exit(_run(settings, environ, Wanted(count, model, fault_rate)))


def upstream_of(environ: Mapping[str, str]) -> str:
    """Give the upstream's name: SLUICE_UPSTREAM, else UPSTREAM as `make` passes it, else the simulated provider."""
    return environ.get("SLUICE_UPSTREAM") or environ.get("UPSTREAM") or SIMULATED


def how_many(upstream: str, count: int | None) -> int | None:
    """Give how many samples to send, None for all: where calls cost money, none unless somebody said a number."""
    return count if upstream == SIMULATED else (count or 0)


def _run(settings: Settings, environ: dict[str, str], wanted: Wanted) -> int:
    chosen, model = jobs(how_many(settings.upstream, wanted.count)), _model(settings.upstream, wanted)
    inbox, office = Inbox(settings.data / "samples", f"{time.time_ns():x}"), Office()
    environ.setdefault("SLUICE_AUTOMATIONS", _OURS)
    with contextlib.ExitStack() as stack:
        if settings.upstream == SIMULATED:
            environ["SLUICE_SIMULATED_BASE_URL"] = stack.enter_context(provider(wanted.fault_rate))
        if chosen:
            inbox.prepare()
            url = stack.enter_context(opened(office))
            environ |= {**inbox.environment(url, secrets.token_hex(32), model), **environ}
        up = stack.enter_context(supervisor(environ))
        try:
            if not _wait_until_ready(settings, up):
                return up.wait()
            if chosen:
                _traffic(settings, inbox, office, chosen)
            elif settings.upstream != SIMULATED:
                said = f"No sample was sent: calls to {settings.upstream} cost money."
                click.echo(f"{said} `--samples 8 --model NAME` sends some.")
            click.echo(f"Look at it: {address_of(settings, 'dashboard')}   or: sluice runs list")
            return up.wait()
        except KeyboardInterrupt:
            return stop(up)


@contextlib.contextmanager
def provider(fault_rate: float) -> Iterator[str]:
    """Run the simulated provider as long as the block lasts; give its base URL."""
    command = [sys.executable, "-m", "demo.provider", "--port", "0", "--with-parent", "--fault-rate", str(fault_rate)]
    # A session of its own: Ctrl-C in the terminal must not take it away while calls in flight finish.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if not (said := process.stdout.readline()):
                raise click.ClickException("The simulated provider did not start; what it said stands above.")
            yield said.rpartition(": ")[2].strip()
        finally:
            process.stdin.close()
            process.wait()


@contextlib.contextmanager
def supervisor(environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `sluice up` as long as the block lasts; it speaks on our terminal."""
    process = subprocess.Popen([sys.executable, "-m", "gateway.cli", "up"], env=environ, start_new_session=True)
    try:
        yield process
    finally:
        stop(process)


def stop(up: subprocess.Popen[bytes]) -> int:
    """Stop `sluice up` in order; a second Ctrl-C kills. Give its exit code."""
    if up.poll() is not None:
        return up.returncode
    up.send_signal(signal.SIGTERM)
    while True:
        try:
            return up.wait(STOP_S)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            up.send_signal(signal.SIGTERM)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_until_ready(settings: Settings, up: subprocess.Popen[bytes]) -> bool:
    """Wait until all parts answer; False when `sluice up` ended before."""
    while up.poll() is None:
        if all(_part_is_ready(settings, part, path) for part, path in PARTS.items()):
            time.sleep(WELCOME_S)
            return True
        time.sleep(POLL_S)
    return False


def _part_is_ready(settings: Settings, part: str, path: str) -> bool:
    address = urlsplit(address_of(settings, part) or "")
    if not address.hostname or not address.port:
        return False
    return asyncio.run(is_ready(address.hostname, address.port, path))


def _traffic(settings: Settings, inbox: Inbox, office: Office, chosen: Sequence[Job]) -> None:
    gateway = address_of(settings, "gateway") or ""
    keys = sample_keys(settings)
    until_known(settings, gateway)
    office.clients |= {name: OpenAI(base_url=f"{gateway}/v1", api_key=key) for name, key in keys.items()}
    office.known |= inbox.put(chosen)
    click.echo(
        f"{len(chosen)} sample inputs of {len(keys)} automations stand in {inbox.folder}; the worker takes them."
    )
    seen = sum(job.automation in office.came for job in chosen)
    watch(office, inbox.database, seen, _PATIENCE_S, threading.Event())
    click.echo(f"Samples: {office.sentence()}")


def _model(upstream: str, wanted: Wanted) -> str:
    if upstream == SIMULATED:
        return wanted.model or "simulated-large"
    if wanted.count and wanted.model is None:
        raise SystemExit("--model is needed to send samples to an upstream that is not simulated.")
    return wanted.model or ""


if __name__ == "__main__":
    os.umask(0o077)  # as `sluice` does
    main()
