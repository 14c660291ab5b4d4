"""The CEL library's compiled part alone: its package also imports a command line with 24 MB of terminal libraries."""

import importlib.util
from collections.abc import Mapping
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, Protocol, cast


class Program(Protocol):
    """A compiled expression."""

    def execute(self, context: Any) -> Any: ...
    def variables(self) -> list[str]: ...
    def functions(self) -> list[str]: ...


class Engine(Protocol):
    """What is used of the library."""

    def compile(self, source: str) -> Program: ...
    def Context(self, variables: Mapping[str, Any]) -> Any: ...  # noqa: N802 - the library's name


def _compiled_part() -> ModuleType:
    package = importlib.util.find_spec("cel")
    folders = package.submodule_search_locations if package else None
    found = PathFinder.find_spec("cel", folders) if folders else None
    if found is None or found.loader is None:
        raise ImportError("the package common-expression-language is not installed; install Sluice's requirements")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


CEL = cast("Engine", _compiled_part())
