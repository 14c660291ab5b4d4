"""Structured logs: one JSON object a line, on standard error, for every program of the gateway."""

import json
import logging
import re
import sys
import time
from typing import Any, Final, TextIO

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Keys and tokens of ours and of usual providers; what a Bearer header holds; user and password of an address.
_TOKEN: Final = re.compile(
    r"(sk-|sess-|link-|whsec_|gh[pousr]_|xox[abp]-|AKIA|eyJ|[Bb]earer )(?:sluice-|proj-)?[A-Za-z0-9_+/=.-]{14,}"
)
_PASSWORD: Final = re.compile(r"://[^\s/\"@]*:[^\s/\"@]*@")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON line; fields given through `extra` stand beside the message."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "program": self._program,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return scrubbed(json.dumps(line, ensure_ascii=False, default=str))


def scrubbed(text: str) -> str:
    """Mask what has the shape of a secret. Nothing should have brought one here; this is the last net."""
    return _PASSWORD.sub("://***@", _TOKEN.sub(r"\1***", text))


def configure(program: str, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send all logging of this process to one stream as JSON lines; replaces what was configured before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(program))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
