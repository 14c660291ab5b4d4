"""What the commands share: settings with flags on top of everything else."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.settings import Settings, load

Decorated = Callable[..., Any]


def settings_with(**flags: object) -> Settings:
    """Load the settings; flags (by attribute name, None when not given) stand above everything else.

    Raises:
        SettingsError: a value cannot be used.
    """
    given = {f"SLUICE_{name.upper()}": str(value) for name, value in flags.items() if value is not None}
    return load(os.environ, Path.cwd(), given)


def setting_option(flag: str, purpose: str) -> Callable[[Decorated], Decorated]:
    """Return a click option that overrides one setting; the settings check its value."""
    return click.option(flag, metavar="VALUE", help=purpose)


def program(module: str, *, extra: str) -> Any:
    """Import a program of ours that needs more than the gateway's libraries.

    Raises:
        Sentence: the libraries it needs are not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise Sentence(f"{error.name} is not installed; run: pip install 'sluice[{extra}]'") from error
