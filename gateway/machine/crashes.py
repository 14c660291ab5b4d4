"""What a part's log says of the programs below it that end unexpectedly, as sentences for the terminal."""

import contextlib
import json
from pathlib import Path
from typing import Any, Final

from gateway.setting_values import without_userinfo

ENDED: Final = "ended unexpectedly"
_PARENT: Final = "gateway.machine.parent"
_MOST_BYTES: Final = 64 * 1024
_MOST_CHARS: Final = 200


class Crashes:
    """Reads the log from where it ends now on."""

    def __init__(self, log: Path) -> None:
        self._log, self._at = log, 0
        self._new()
        self._words: dict[str, str] = {}  # what each program said last
        self._error = ""  # the kind of error at the end of a traceback

    def news(self) -> dict[str, str]:
        """Return a sentence for each program that ended since the last look, by the program's name."""
        found = {}
        for line in self._new():
            entry = _entry(line)
            said = str(entry.get("message"))
            if not entry:
                self._error = _kind(line)
            elif entry.get("logger") == _PARENT and ENDED in said:
                name = said.partition(" ")[0]
                found[name] = said + self._last_words(name)
            else:
                self._words[str(entry.get("program"))] = said
        return found

    def _new(self) -> list[str]:
        """Return the whole lines that were added since the last look."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            size = file.seek(0, 2)
            start = self._at if self._at <= size else 0  # shorter: the old one was put aside
            file.seek(max(start, size - _MOST_BYTES))
            whole, end, rest = file.read().rpartition(b"\n")
            self._at = size - len(rest) if end else start
            return whole.decode("utf-8", "replace").splitlines()
        return []

    def _last_words(self, name: str) -> str:
        said, self._error = self._error or self._words.pop(name, ""), ""
        shown = "".join(char for char in without_userinfo(said) if char.isprintable())[:_MOST_CHARS]
        return f'; it said last: "{shown}"' if shown else ""


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _kind(line: str) -> str:
    """Return the kind of error that ends a traceback; its text may be anybody's, and stays in the log."""
    kind = line.partition(":")[0]
    return kind if kind.replace(".", "").isidentifier() else ""
