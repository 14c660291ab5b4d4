"""Send requests with planted values through a product of their own, and look for the values everywhere afterwards."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from gateway.verify.echo import Upstream, listening
from gateway.verify.hunt import Haystack
from gateway.verify.sites import RESTORED, SITES, part_of, request
from gateway.verify.values import Maker, Value, values
from metrics.record.content import unseal
from metrics.record.frames import scan
from metrics.record.journal import open_keystore
from policy.model import Policy
from policy.values import dump
from redaction.rules import ANSWER, RuleBook

KEY = "sk-sluice-" + "v" * 43
_READY_S = 90.0
_STOP_S = 30
_SETTLE_S = 3.0
_PROVIDERS = "schema: 1\nproviders: {verify: {base_url: 'http://127.0.0.1:PORT/v1'}}\n"
_KEPT = ("policy", "schema", "owner", "redaction", "delivery", "failure", "logging", "retention")


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

    @property
    def clean(self) -> bool:
        """Say whether nothing leaked and everything was answered."""
        return not self.leaks and not self.failed


def verify(policy: Policy, folder: Path, seed: int) -> Report:
    """Run the product with this policy in an empty folder and report; raises TimeoutError when it does not start."""
    report, maker = Report(), Maker(Random(seed))
    book = RuleBook(policy.redaction)
    report.left_alone = [kind for kind in values(maker) if not _acted_on(book, kind)]
    with listening() as upstream, _product(policy, folder, upstream) as url:
        answers: list[bytes] = []
        for kind in values(maker):
            if kind not in report.left_alone:
                for streamed in (False, True):
                    answers += _ask(url, upstream, report, Plan(kind, book, maker, streamed))
        time.sleep(_SETTLE_S)  # the recorder and its traces follow within a second or two
    _look(report, "upstream", Haystack(upstream.requests), answers=False)
    _look(report, "answer", Haystack(answers), answers=True)
    for place, data in _kept(folder / "data"):
        _look(report, place, Haystack(data), answers=None)
    _look(report, "traces", Haystack(upstream.traces), answers=None)
    return report


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


def _ask(url: str, upstream: Upstream, report: Report, plan: Plan) -> Iterator[bytes]:
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
    status, data = _post(url, request(sites, plan.streamed))
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


def _look(report: Report, place: str, seen: Haystack, *, answers: bool | None) -> None:
    """Note the values that stand somewhere; `answers` limits them to those of answers, or of requests."""
    for one in report.planted:
        if answers in (None, one.site == "answer") and seen.holds_part(one.value):
            report.leaks.append((one, place))


def _kept(data: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Give what the product wrote, by place; sealed content is opened."""
    for place, pattern in (
        ("journal", "journal/**/*"),
        ("ledger", "ledger*"),
        ("control", "control*"),
        ("logs", "logs/**/*"),
    ):
        yield place, [path.read_bytes() for path in sorted(data.glob(pattern)) if path.is_file()]
    keystore, _ = open_keystore(data, os.environ)
    try:
        frames = (
            found.payload
            for path in sorted((data / "journal" / "content").rglob("*"))
            if path.is_file()
            for found in scan(path.read_bytes(), final=True)
            if found.payload
        )
        yield "content, opened", [_bytes(unseal(payload, keystore).fields) for payload in frames]
    finally:
        keystore.close()


def _bytes(fields: Mapping[str, str | bytes]) -> bytes:
    return b"\n".join(value if isinstance(value, bytes) else value.encode() for value in fields.values())


def _post(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    asked = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:  # noqa: S310 - an address of ours on this machine
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextmanager
def _product(policy: Policy, folder: Path, upstream: Upstream) -> Iterator[str]:
    """Run gateway and recorder with one policy, in front of the given upstream."""
    policies = folder / "policies"
    policies.mkdir(parents=True)
    block = {name: value for name, value in dump(policy).items() if name in _KEPT}
    (policies / "verified.yaml").write_text(json.dumps(block, indent=1), "utf-8")
    (policies / "providers.yaml").write_text(_PROVIDERS.replace("PORT", str(upstream.port)), "utf-8")
    (policies / "prices.yaml").write_text("schema: 1\nprices: []\n", "utf-8")
    gateway, recorder = _free_ports(2)
    here = f"http://127.0.0.1:{upstream.port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "OTEL_"))},
        **{"SLUICE_DATA": str(folder / "data"), "SLUICE_POLICIES": str(policies), "SLUICE_UPSTREAM": "verify"},
        **{"SLUICE_PORT": str(gateway), "SLUICE_RECORDER_PORT": str(recorder), "SLUICE_BOOTSTRAP_KEY": KEY},
        **{"OTEL_EXPORTER_OTLP_ENDPOINT": here, "SLUICE_WORKERS": "1"},
    }
    argv = [sys.executable, "-P", "-m", "gateway.cli", "up", "--no-dashboard", "--no-worker"]
    with (folder / "up.txt").open("wb") as output:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=output)
        try:
            for port in (gateway, recorder):
                _wait(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{gateway}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    (folder / "data" / "logs").mkdir(exist_ok=True)
    (folder / "up.txt").replace(folder / "data" / "logs" / "up.txt")


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that the system hands out for outgoing connections."""
    random = Random()
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0 and port not in found:
                found.append(port)
    return found


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - an address of ours on this machine
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the product did not start")
