"""The page of a bundle for people: what is in it, what it answers, how to check it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;margin:1rem 0;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}code,pre{font:13px ui-monospace,monospace;overflow-wrap:anywhere}"
    "pre{white-space:pre-wrap;background:#f6f6f6;padding:.6rem}"
)

_TRUST: Final = """<p>Get <code>verify.pyz</code> and the key from a source that you trust, not from here. The key
printed here is <code>{key}</code>. ANCHOR is a copy of checkpoints kept elsewhere. The verifier checks the signature,
every file and every row, and that each row's record stands in the signed tree. It does not say that what was recorded
was true.</p>"""


def page(about: Mapping[str, Any]) -> str:
    """Write a manifest as a page of HTML without scripts and without anything from elsewhere."""
    scope, sequence = about["scope"], about["sequence"]
    rows = {name: table["rows"] for name, table in about["tables"].items()}
    body = [
        "<h1>Evidence bundle</h1>",
        _table((), _facts(scope, rows)),
        "<h2>What it answers</h2>",
        _table(("Rule", "Question", "Events", "Where"), _controls(about["controls"])),
        "<h2>Policies in force</h2>",
        _table(("Policy", "Hash", "Git commit", "Snapshot", "Outputs"), _policies(about["policies"])),
        "<h2>Redactions</h2>",
        _table(("Side", "Kind", "Found"), ([each["side"], each["kind"], each["n"]] for each in about["entities"])),
        "<h2>Events</h2>",
        _table(("Kind", "Events"), about["events"].items()),
        "<h2>Every number accounted for</h2>",
        _table(("Records", "Count"), _numbers(sequence)),
        "<h2>The signed state of the record</h2>",
        f"<pre>{escape(about['checkpoint'])}</pre>",
        "<h2>Check it</h2>",
        "<pre>pip install cryptography\npython verify.pyz BUNDLE.zip --key KEY --anchor ANCHOR</pre>",
        _TRUST.format(key=escape(about["key"])),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Evidence bundle</title><style>{_STYLE}</style>'
    return head + "\n".join(body) + "</html>\n"


def _facts(scope: Mapping[str, Any], rows: Mapping[str, int]) -> list[list[Any]]:
    automations = ", ".join(scope["automations"]) or "all"
    return [
        ["Range", f"{scope['since']} to {scope['until']} (the end does not belong to it)"],
        ["Tenant", scope["tenant"]],
        ["Automations", automations],
        ["Profile", scope["profile"]],
        ["Asked for by", scope["actor"]],
        ["Legal basis", scope["legal_basis"] or "not given"],
        ["Time zone of the reader", f"{scope['time_zone']}; all times in the files are UTC"],
        ["Outputs", rows["evidence"]],
        ["Events", rows["events"]],
    ]


def _controls(controls: Sequence[Mapping[str, Any]]) -> Iterable[list[Any]]:
    for each in controls:
        where = [*(f"events: {kind}" for kind in each["kinds"]), *(f"evidence: {name}" for name in each["columns"])]
        yield [each["rule"], each["question"], each["events"], ", ".join(where)]


def _policies(policies: Sequence[Mapping[str, Any]]) -> Iterable[list[Any]]:
    for each in policies:
        commit = (each["git_commit"] or "not from git") + (" (with uncommitted changes)" if each["dirty"] else "")
        yield [each["policy"], each["policy_hash"], commit, (each["snapshot"] or "")[:12], each["calls"]]


def _numbers(sequence: Mapping[str, Any]) -> Iterable[list[Any]]:
    yield [f"exported, of {sequence['first']} to {sequence['last']}", sequence["exported"]]
    yield from ([f"left out: {why}", count] for why, count in sequence["left_out"].items())
    yield from ([f"missing: {first} to {last}: {why}", last - first + 1] for first, last, why in sequence["missing"])


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    titles = f"<tr>{''.join(f'<th>{escape(title)}</th>' for title in head)}</tr>" if head else ""
    lines = "\n".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{titles}\n{lines}</table>"
