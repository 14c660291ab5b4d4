"""Finds automations: folders with an `automation.py` that says what AUTOMATION is."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import automations
from automations.flow.automation import Automation

FILE = "automation.py"
NAME = "AUTOMATION"


class CannotLoad(Exception):
    """A file is no automation; the sentence says which, and why."""


def load_automations(folder: Path) -> dict[str, Automation]:
    """Load every automation of a folder, by name.

    Raises:
        CannotLoad: a file cannot be imported, names no automation, or two have the same name.
    """
    found: dict[str, Automation] = {}
    for file in automation_files(folder):
        automation = getattr(_module(file), NAME, None)
        if not isinstance(automation, Automation) or not automation.steps:
            raise CannotLoad(f"{file} must say what {NAME} is: an Automation with steps.")
        if automation.name in found:
            raise CannotLoad(f"{file}: another automation is called {automation.name}, too.")
        found[automation.name] = automation
    return found


def automation_files(folder: Path) -> list[Path]:
    """List the files that describe automations; the folder `flow` is what they are written with."""
    return sorted(file for file in folder.glob(f"*/{FILE}") if file.parent.name != "flow")


def _module(file: Path) -> ModuleType:
    name = file.parent.name
    own = Path(next(iter(automations.__path__))).resolve()
    try:
        if file.resolve().parent.parent == own:
            return importlib.import_module(f"automations.{name}.{file.stem}")
        return _from_file(f"sluice_automation_{name}", file)
    except ValueError as error:  # a setting or a file of the automation's own, told in a sentence
        raise CannotLoad(f"{file} cannot be loaded: {error}") from error
    except Exception as error:
        raise CannotLoad(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error


def _from_file(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
