"""The `sluice` command: a light dispatcher that imports a subcommand only when it is used."""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

from gateway.control.errors import ControlError
from gateway.setting_values import SettingsError
from metrics.record.refusals import KeysError, QueryError


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command lives (`module:attribute`), and its line in the list of commands."""

    target: str
    summary: str


class Sentence(click.ClickException):
    """An error for a person: one sentence, exit code 1."""


class WrongSetting(Sentence):
    """A setting that cannot be used: one sentence that names it, exit code 2."""

    exit_code = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; its own help imports none."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **more: Any) -> None:
        super().__init__(*args, **more)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it cannot do becomes one sentence instead of a traceback."""
        try:
            return super().invoke(ctx)
        except (SettingsError, KeysError) as error:
            raise WrongSetting(str(error)) from error
        except (ControlError, QueryError) as error:
            raise Sentence(str(error)) from error
        except OSError as error:
            raise Sentence(_os_sentence(error)) from error
        except UnicodeEncodeError as error:
            raise Sentence(_bytes_sentence(error)) from error


def _os_sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _bytes_sentence(error: UnicodeEncodeError) -> str:
    """Bytes of the command line that are no UTF-8 arrive as half characters, which no address or database takes."""
    shown = error.object.encode("ascii", "backslashreplace").decode()[:100]
    return f"{shown} cannot be used here: it holds what cannot be written as {error.encoding}."


COMMANDS: Final = {
    "up": Lazy("gateway.commands.up:up", "Start gateway, recorder, dashboard and worker on this machine."),
    "gateway": Lazy("gateway.commands.gateway:gateway", "Start the gateway alone."),
    "recorder": Lazy("gateway.commands.recorder:recorder", "Start the recorder alone."),
    "dashboard": Lazy("gateway.commands.dashboard:dashboard", "Start the dashboard alone."),
    "worker": Lazy("gateway.commands.worker:worker", "Start the automations' worker alone."),
    "runs": Lazy("gateway.commands.runs:runs", "List, show, replay, allow and cancel runs of automations."),
    "settings": Lazy("gateway.commands.settings:settings", "Show every setting and where its value comes from."),
    "keys": Lazy("gateway.commands.keys:keys", "Create, list and revoke API keys."),
    "users": Lazy("gateway.commands.users:users", "Create people who sign in to the dashboard."),
    "stop": Lazy("gateway.commands.stops:stop", "Stop an automation: all its answers are held."),
    "start": Lazy("gateway.commands.stops:start", "Let a stopped automation run again."),
    "policy": Lazy("gateway.commands.policy:policy", "Check, test, compare and explain policy files."),
    "prices": Lazy("gateway.commands.prices:prices", "Find models without a price."),
    "calls": Lazy("gateway.commands.calls:calls", "List calls, or show one in full."),
    "confidence": Lazy("gateway.commands.confidence:confidence", "Fit, show and explain certificates."),
    "ledger": Lazy("gateway.commands.ledger:ledger", "Rebuild the ledger from the journal."),
    "audit": Lazy("gateway.commands.audit:audit", "Verify the audit tree, prove single records, anchor it elsewhere."),
    "review": Lazy("gateway.commands.review:review", "The weekly review: build, show, verify."),
    "demo": Lazy("demo.weeks.command:demo", "Play weeks of invented traffic with planted stories."),
    "subjects": Lazy("gateway.commands.subjects:subjects", "Find what is kept about a person, copy it, erase it."),
    "doctor": Lazy("gateway.commands.doctor:doctor", "Say what is unsafe here, and what to do."),
    "backup": Lazy("gateway.commands.backup:backup", "Back up everything that cannot be made again."),
    "restore": Lazy("gateway.commands.backup:restore", "Put a backup in place."),
    "export": Lazy("gateway.commands.export:export", "Write an evidence bundle for an auditor."),
    "retention": Lazy("gateway.commands.retention:retention", "See and run what retention destroys; legal holds."),
    "new": Lazy("gateway.commands.new:new", "Make a new automation from one that works."),
    "redact": Lazy("gateway.commands.redact:redact", "Show what a policy redacts in a text; prove that it holds."),
}

HELP: Final = """Sluice: a gateway that redacts, governs and records every model call.

\b
First steps:
  sluice up                        start everything; prints a key and a sign-in link
  sluice keys create --name me     make an API key
  sluice calls list                what went through
"""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    help=HELP,
    epilog="Settings come from the environment and sluice.toml: see `sluice settings`.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="sluice", message="sluice %(version)s")
def cli() -> None:
    pass


def main() -> None:
    """Run the command line; what it and its children write is for their owner alone."""
    os.umask(0o077)
    _fill_streams()
    try:
        cli(prog_name="sluice")
    except OSError as error:  # help and usage are printed before any command is there to say it
        sys.exit(f"Error: {_os_sentence(error)}")


def _fill_streams() -> None:
    """Put nothing in the place of closed standard streams: the next file opened would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - as long as the program


if __name__ == "__main__":
    main()
