"""Questions to `policy explain`: from a recorded call, or from one that was written by hand."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.local_access import LocalAccess, NotReachedError
from metrics.client import RecorderClient, RecorderError
from policy.estimate import CHARS_PER_TOKEN, measuring
from policy.explain import Found, Question, Tool
from policy.model import FACT_NAMES, Facts
from policy.routing import Request
from policy.snapshot import Snapshot
from policy.tool_rules import Place
from policy.values import Direction

Record = Mapping[str, Any]


def from_file(path: Path) -> Record:
    """Read a call from a JSON file."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Sentence(f"{path} is not JSON.") from error
    if not isinstance(value, dict):
        raise Sentence(f"{path} must hold one JSON object, as `sluice calls show ID --json` prints it.")
    return value


def from_ledger(call_id: str) -> Record:
    """Ask the recorder for a call."""
    try:
        access = LocalAccess(settings_with())
        rows = list(RecorderClient(access.recorder_url(), access.query_token).query("call", call_id=call_id).dicts())
    except NotReachedError as error:
        raise Sentence(str(error)) from error
    except RecorderError as error:
        raise Sentence(f"The recorder cannot say: {error}.") from error
    if not rows:
        raise Sentence(f"There is no call {call_id}, and no file of that name.")
    return rows[0]


def question(record: Record) -> Question:
    """Turn a call into a question; facts may stand at the top or under `facts`."""
    detail = _mapping(record.get("detail"))
    own = {**detail, **{name: value for name, value in record.items() if value is not None}}
    said = {**own, **_mapping(own.get("facts"))}
    given = {name: value for name in FACT_NAMES if isinstance(value := said.get(name), str)}
    facts = Facts(**given)
    labels = {name: str(value) for name, value in _mapping(own.get("labels")).items()}
    score = own.get("confidence", own.get("score"))
    sure = float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None
    decided = (str(own["verdict"]), str(own["verdict_rule"])) if own.get("verdict_rule") else None
    return Question(
        facts, labels, _request(own, facts, labels), tuple(_found(own)),
        score=sure, tools=tuple(_tools(own)), decided=decided,
    )  # fmt: skip


def priced(asked: Question, snapshot: Snapshot, default_provider: str) -> Question:
    """Let routing know what the call would cost at each candidate."""
    if asked.request is None:
        return asked
    at = datetime.now(UTC)
    measure = measuring(snapshot, default_provider, asked.request, at, {})
    return replace(asked, measure=measure)


def other_version(record: Record, now: Snapshot) -> str | None:
    """Say so when a call was made under another snapshot than the folder holds."""
    then = record.get("snapshot")
    if not isinstance(then, str) or then == now.sha256:
        return None
    return f"The call was made under snapshot {then[:12]}; this is about {now.sha256[:12]}, the folder as it is now."


def _request(own: Record, facts: Facts, labels: Mapping[str, str]) -> Request | None:
    model = own.get("model_requested") or own.get("model")
    if not isinstance(model, str):
        return None
    features = _mapping(own.get("features"))
    return Request(
        model=model,
        endpoint=str(own.get("endpoint") or "chat.completions"),
        stream=bool(own.get("stream")),
        input_tokens=_whole(own.get("request_chars")) // CHARS_PER_TOKEN,
        max_output_tokens=_whole(features.get("max_output_tokens")),
        messages=_whole(features.get("messages")),
        needs=frozenset(str(need) for need in features.get("needs") or ()),
        run=str(own.get("run_id") or ""),
        facts=facts,
        labels=labels,
    )


def _found(own: Record) -> Iterator[Found]:
    findings = own.get("findings")
    for finding in findings if isinstance(findings, list) else ():
        if isinstance(finding, list) and len(finding) >= 2:
            yield _by_site(str(finding[0]), str(finding[1]))
    if findings:
        return
    entities: Iterable[Any] = own.get("entities") or ()
    for each in entities if isinstance(entities, list) else ():
        side: Direction = "answer" if each.get("side") == "answer" else "request"
        yield Found(str(each.get("kind")), side)


def _tools(own: Record) -> Iterator[Tool]:
    """Read tools: as recorded, without arguments, or written by hand, with them."""
    rows = own.get("tools")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) >= 4:
            place, name, action, rule = map(str, row[:4])
            yield Tool(name, _place(place), action, rule)
        elif isinstance(row, Mapping):
            yield Tool(str(row.get("tool")), _place(row.get("place")), arguments=_mapping(row.get("arguments") or {}))


def _place(said: Any) -> Place:
    return "offered" if said == "offered" else "called"


def _by_site(site: str, kind: str) -> Found:
    """Tell where a finding was; `user:3` is the user's part of message 3."""
    part = site.partition(":")[0]
    return Found(kind, "answer") if part.startswith("answer") else Found(kind, "request", part)


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
