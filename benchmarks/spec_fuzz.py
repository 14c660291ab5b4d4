"""Lets schemathesis, an extra tool, try our own OpenAPI document; it is not among the project's dependencies."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.stand import KEY, SLUICE, Stand
from gateway.control.identity.roles import ROLES

USUAL = "st"
# Signing out or setting a password would end the session that the rest is tried with.
_ENDS_SESSIONS = r"^/auth/(logout|password)"
_OF_KEYS = r"^/(v1/|metrics|healthz|readyz|status)"


class Caller(NamedTuple):
    """Who asks, and which paths: a key asks `/v1`, a session everything else."""

    name: str
    credential: str
    paths: str
    share: float


def fuzz_own_spec(stand: Stand, program: str, examples: int, say: Callable[[str, object], None]) -> list[str]:
    """Run it against a product, once for each kind of caller; return what should not have happened."""
    found = shutil.which(program)
    if found is None:
        say("schemathesis on our OpenAPI document", f"skipped: there is no program {program!r}")
        return [] if program == USUAL else [f"there is no program {program!r}"]
    bad: list[str] = []
    for caller in _callers(stand):
        done = subprocess.run(
            _command(found, stand, caller, max(5, int(examples * caller.share))),
            capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
        cases = re.search(r"\d+ generated, .*", done.stdout)
        refused = len(re.findall(r"\b401\b", done.stdout))
        say(f"schemathesis as {caller.name}", f"{cases.group().strip() if cases else 'no result'}; said 401: {refused}")
        bad += [] if done.returncode == 0 else [f"schemathesis as {caller.name}: {done.stdout[-800:]}"]
    return bad


def _callers(stand: Stand) -> Iterator[Caller]:
    yield Caller("key", KEY, _OF_KEYS, 1.0)
    for role in ROLES:
        yield Caller(role, _session(stand, role), f"^(?!{_OF_KEYS[1:]})", 1.0 if role == "admin" else 0.25)


def _session(stand: Stand, role: str) -> str:
    """Sign a new user in by link."""
    create = [SLUICE, "users", "create", f"{role}@example.com", "--role", role, "--json"]
    made = subprocess.run(create, env=dict(stand.environment), capture_output=True, text=True, check=True)
    token = json.loads(made.stdout)["link"].partition("?login=")[2]
    request = urllib.request.Request(
        f"http://127.0.0.1:{stand.port}/auth/link", json.dumps({"token": token}).encode(),
        {"content-type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as reply:
        session: str = json.load(reply)["session"]
    return session


def _command(found: str, stand: Stand, caller: Caller, examples: int) -> list[str]:
    url = f"http://127.0.0.1:{stand.port}/openapi.json"
    which = ["--include-path-regex", caller.paths, "--exclude-path-regex", _ENDS_SESSIONS]
    checks = ["--checks", "not_a_server_error", "--max-examples", str(examples), "--seed", "1"]
    return [
        found,
        "run",
        url,
        "-H",
        f"Authorization: Bearer {caller.credential}",
        *which,
        *checks,
        "--phases",
        "coverage,fuzzing",
    ]
