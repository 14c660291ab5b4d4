"""Send requests with planted values through a product, and look for the values everywhere afterwards."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.verify.echo import Upstream, listening
from gateway.verify.hunt import Haystack
from gateway.verify.kept import kept
from gateway.verify.product import Target
from gateway.verify.sites import RESTORED, SITES, part_of, request
from gateway.verify.values import Maker, Value, values
from policy.model import Policy
from redaction.rules import ANSWER, RuleBook

_SETTLE_S = 3.0
_PLACES = ("upstream", "answer", "traces", "journal", "ledger", "control", "logs", "content, opened")


class VerifyError(Exception):
    """The product is not set up to be verified; the text says what to do."""


@dataclass(frozen=True)
class Planted:
    """One value, where it was put, and whether the request was streamed."""

    kind: str
    site: str
    value: str
    streamed: bool


@dataclass
class Report:
    """What was planted and where it came out; `left_alone` are kinds that the policy does not act on."""

    planted: list[Planted] = field(default_factory=list)
    restored: dict[str, list[bool]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    leaks: list[tuple[Planted, str]] = field(default_factory=list)
    searched: dict[str, int] = field(default_factory=dict)  # bytes, by place

    @property
    def unseen(self) -> list[str]:
        """Places in which nothing stood that could be searched."""
        return [place for place in _PLACES if not self.searched.get(place)]

    @property
    def clean(self) -> bool:
        """Say whether nothing leaked and everything was answered."""
        return not self.leaks and not self.failed


def verify(
    policy: Policy, seed: int, product: Callable[[Upstream], AbstractContextManager[Target]], port: int = 0
) -> Report:
    """Plant values through a product whose upstream we are (at `port`, 0: any) and report where they came out.

    Raises:
        VerifyError: the product does not answer, asks another upstream, or governs the key by another policy.
        TimeoutError: it does not start.
    """
    report, maker = Report(), Maker(Random(seed))
    book, began_s, answers = RuleBook(policy.redaction), time.time(), list[bytes]()
    report.left_alone = [kind for kind in values(maker) if not _acted_on(book, kind)]
    with listening(port) as upstream, product(upstream) as target:
        _suits(policy, target, upstream)
        for kind in values(maker):
            if kind not in report.left_alone:
                for streamed in (False, True):
                    answers += _ask(target, upstream, report, Plan(kind, book, maker, streamed))
        time.sleep(_SETTLE_S)  # the recorder and its traces follow within a second or two
    _look(report, "upstream", upstream.requests, answers=False)
    _look(report, "answer", answers, answers=True)
    _look(report, "traces", upstream.traces, answers=None)
    for place, pieces in kept(target.data, began_s):
        _look(report, place, pieces, answers=None)
    return report


def _suits(policy: Policy, target: Target, upstream: Upstream) -> None:
    """Ask once without any value: the key must be governed by the policy, and the question must come to us."""
    status, headers, data = _post(target, request({}, stream=False))
    governed = headers.get("x-sluice-policy", "").partition("@")[0]
    if governed and governed != policy.policy:
        raise VerifyError(f"The policy {governed} governs this key, not {policy.policy}; say `--policy {governed}`.")
    if status != 200:
        raise VerifyError(f"The gateway answered {status}: {data[:500].decode('utf-8', 'replace')}")
    if not upstream.requests:
        raise VerifyError(
            f"{target.model} was asked somewhere else; it must be at http://127.0.0.1:{upstream.port}/v1."
        )


def summary(report: Report) -> list[dict[str, Any]]:
    """Give one row for each kind: how many values were planted, leaked and restored, and where they leaked."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in report.planted):
        leaks = [(one, place) for one, place in report.leaks if one.kind == kind]
        back = report.restored.get(kind, [])
        refused = report.refused.get(kind, 0)
        where = sorted({f"{one.site} -> {place}{' (streamed)' if one.streamed else ''}" for one, place in leaks})
        rows.append(
            {
                "kind": kind,
                "planted": sum(one.kind == kind for one in report.planted),
                "leaked": len({one.value for one, _ in leaks}),
                "restored": f"refused {refused}" if refused else f"{sum(back)}/{len(back)}",
                "where": "; ".join(where),
            }
        )
    return rows


@dataclass(frozen=True)
class Plan:
    """What one request plants."""

    kind: str
    book: RuleBook
    maker: Maker
    streamed: bool

    def sites(self) -> dict[str, Value]:
        """Return a fresh value for each site where the policy acts on the kind."""
        named = self.kind == "PERSON"
        wanted = (site for site, names in SITES.items() if names or not named)
        return {site: values(self.maker)[self.kind] for site in wanted if _acts(self.book, part_of(site), self.kind)}


def _ask(target: Target, upstream: Upstream, report: Report, plan: Plan) -> Iterator[bytes]:
    """Send one request; give the answer's bytes, and note what was planted and what came back."""
    sites = plan.sites()
    lead, made_up = values(plan.maker)[plan.kind]
    formed = plan.kind != "PERSON" or plan.book.block.answer_names != "off"
    if formed and _acts(plan.book, ANSWER, plan.kind):
        upstream.inject = f"The model says {lead}{made_up} too."
        report.planted.append(Planted(plan.kind, "answer", made_up, plan.streamed))
    else:
        upstream.inject = ""
    report.planted += (Planted(plan.kind, site, value, plan.streamed) for site, (_, value) in sites.items())
    status, _, data = _post(target, request(sites, plan.streamed))
    if status in {403, 502} and _blocks(plan.book, plan.kind):
        report.refused[plan.kind] = report.refused.get(plan.kind, 0) + 1
    elif status != 200:
        report.failed.append(f"{plan.kind}: status {status}")
    else:
        shown = Haystack([_texts(data, plan.streamed)])
        back = [shown.holds(value) for site, (_, value) in sites.items() if site in RESTORED]
        report.restored.setdefault(plan.kind, []).extend(back)
        yield _texts(data, plan.streamed)


def _texts(data: bytes, streamed: bool) -> bytes:
    """Return the text of an answer; that of a stream joined, so that no value is hidden by its cuts."""
    if not streamed:
        return data
    fields: dict[str, str] = {}
    for line in data.splitlines():
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:]).get("choices", []):
                _gather(choice.get("delta", {}), fields, "")
    return data + "\n".join(fields.values()).encode()


def _gather(node: Any, fields: dict[str, str], path: str) -> None:
    if isinstance(node, str):
        fields[path] = fields.get(path, "") + node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        _gather(value, fields, f"{path}.{key}")


def _acts(book: RuleBook, part: str, kind: str) -> bool:
    rule = book.rule(part, kind)
    return rule is not None and rule.operator != "keep" and not rule.observe


def _acted_on(book: RuleBook, kind: str) -> bool:
    named = kind != "PERSON" or book.block.names != "off"
    return named and any(_acts(book, part_of(site), kind) for site in SITES)


def _blocks(book: RuleBook, kind: str) -> bool:
    rules = (book.rule(part, kind) for part in (ANSWER, *map(part_of, SITES)))
    return any(rule is not None and rule.operator == "block" for rule in rules)


def _look(report: Report, place: str, pieces: list[bytes], *, answers: bool | None) -> None:
    """Note the values that stand somewhere; `answers` limits them to those of answers, or of requests."""
    seen = Haystack(pieces)
    report.searched[place] = report.searched.get(place, 0) + sum(map(len, pieces))
    for one in report.planted:
        if answers in (None, one.site == "answer") and seen.holds_part(one.value) and (one, place) not in report.leaks:
            report.leaks.append((one, place))


def _post(target: Target, body: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    headers = {"authorization": f"Bearer {target.key}", "content-type": "application/json"}
    data = json.dumps({**body, "model": target.model}).encode()
    asked = urllib.request.Request(f"{target.url}/chat/completions", data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:  # noqa: S310 - where the operator points us
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
    except OSError as error:
        raise VerifyError(f"Nobody answers at {target.url}: {error}.") from error
