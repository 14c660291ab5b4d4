"""The other side of the sample automations: takes tickets and summaries, reads the database, says what was right."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from openai import APIError, OpenAI

from demo.inbox import Sample

_LOOK_S: Final = 1.0
_MOST_BYTES: Final = 1_000_000
# Of the automations whose results the office sees: what it compares, and under which key the sample has it.
_JUDGED: Final = {"inbound-triage": "category", "crm-enrichment": "industry", "qualification-summary": "interest"}


@dataclass(slots=True)
class Office:
    """Compares each result with its sample and reports the outcome of its run, as a source system would.

    `known` are the samples by the id of their input, `clients` talk to the gateway, one for each automation.
    """

    known: dict[str, Sample] = field(default_factory=dict)
    clients: dict[str, OpenAI] = field(default_factory=dict)
    came: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in _JUDGED})
    right: int = 0
    reported: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, automation: str, identity: str, run: str, value: Any) -> None:
        """Take one result; a second one for the same input changes nothing."""
        with self.lock:
            sample, new = self.known.get(identity), identity not in self.came[automation]
            self.came[automation].add(identity)
        if sample is not None and new:
            right = value == sample["expected"][_JUDGED[automation]]
            self.right += right
            self._report(automation, run, success=right)

    def sentence(self) -> str:
        """Tell what came in."""
        tickets, rows, summaries = (len(came) for came in self.came.values())
        return (
            f"{tickets} tickets, {rows} companies and {summaries} summaries came out, {self.right} right by the "
            f"samples; {self.reported} outcomes reported. Drafts to customers wait for you on the page Reviews."
        )

    def look(self, database: Path) -> None:
        """Look for rows that were written since; those of earlier starts stand in the same table."""
        with closing(sqlite3.connect(database)) as base:
            try:
                rows = base.execute("SELECT row_key, run, value FROM sluice_written WHERE column_name = 'industry'")
                for key, run, value in (row for row in rows.fetchall() if row[0] in self.known):
                    self.take("crm-enrichment", key, run, json.loads(value))
            except sqlite3.OperationalError:  # nothing was written yet
                return

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Take what an automation sent."""
        if path.startswith("/tickets/"):
            self.take("inbound-triage", str(body["id"]), str(body["run"]), body["routing"]["category"])
        else:
            said = body["data"]
            self.take("qualification-summary", said["id"], said["run"], said["qualification"]["interest"])

    def _report(self, automation: str, run: str, *, success: bool) -> None:
        outcome = {"id": f"{run}.success", "run_id": run, "metric": "success", "value": success, "source": "system"}
        try:
            self.clients[automation].post("/outcomes", body=outcome, cast_to=object)
            self.reported += 1
        except (APIError, KeyError):  # the gateway is gone or busy; the run's outcome stays unknown
            return


@contextmanager
def opened(office: Office) -> Iterator[str]:
    """Serve the office on a free port as long as the block lasts; give its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(office.post))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def watch(office: Office, database: Path, expected: int, patience: int, stop: threading.Event) -> None:
    """Look every second until everything expected came, or nothing did for a while."""
    quiet, before = 0, -1
    while quiet < patience and not stop.wait(_LOOK_S):
        office.look(database)
        count = sum(map(len, office.came.values()))
        if count >= expected:
            return
        quiet, before = (quiet + 1 if count == before else 0), count


def _handler(take: Callable[[str, Mapping[str, Any]], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), _MOST_BYTES)
            try:
                take(self.path, json.loads(self.rfile.read(length)))
                status = 200
            except (ValueError, KeyError, TypeError):
                status = 400
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_PUT = do_POST = _take  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing: the worker's log says it."""

    return Handler
