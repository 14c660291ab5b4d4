"""Evidence bundles: made by the recorder for auditors, alike in every format, the same bytes, checked offline."""

import csv
import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import urllib3
import uvicorn

from metrics.client import RecorderClient
from metrics.proof.auditor import Auditor
from metrics.proof.bundle import Job, Maker
from metrics.proof.exports import Exports, add_exports
from metrics.proof.notes import VerifierKey
from metrics.proof.offline import verify_bundle
from metrics.proof.profiles import PROFILES
from metrics.proof.signer import Signer
from metrics.record.events import Event
from metrics.record.ids import utc_us
from metrics.record.journal import FileJournal
from metrics.record.recorder import Recorder
from metrics.record.service import Service, create_app
from metrics.record.token import Grant, secret_of, sign
from tests.integration.metrics.support import QUICK, TS, begin, caught_up, end, wait_until, write

ODD = ["=1+cmd", "", "'quoted'", 'say "hi", twice', "two\nlines", "-5", "@x", "tab\there", "ünïcødé ☃", "\x1f\x00"]
DAY_US = 24 * 3600 * 1_000_000


async def records(journal: FileJournal) -> None:
    for n in range(12):
        tenant = "other" if n % 4 == 3 else "acme"
        body: dict[str, Any] = {"policy": "support", "policy_hash": "abc", "snapshot": "s1", "git_commit": "c0ffee"}
        body |= {"verdict": "hold", "confidence": 0.1 * n, "entities": {"request": {"EMAIL_ADDRESS": n}}}
        body |= {"labels": {"prompt": ODD[n % len(ODD)]}, "audit": {"certificate": "cert", "reason": "below"}}
        body |= {"prompt": {"id": "p", "version": "3"}, "total_ms": 1e-05 * n}
        journal.write(begin(f"call_{n}", TS + n, tenant))
        await journal.commit(end(f"call_{n}", TS + n, tenant, run=f"run_{n}", **body))
    decided = {"review_id": "rev_1", "call_id": "call_1", "state": "edited", "reason": "wrong_tone"}
    await journal.commit(Event("e1", "review.decided", TS + 50, "acme", "triage", actor="usr_ann", body=decided))
    said = {"call_id": "call_1", "metric": "success", "value": False, "source": "human", "corrected": True}
    await journal.commit(Event("e2", "outcome", TS + 51, "acme", "triage", body=said))
    await journal.commit(Event("e3", "action.done", TS + 52, "acme", "triage", run="run_2", body={}))
    await journal.commit(Event("e4", "login", TS + 53, "acme", actor="usr_ann", body={"method": "link"}))


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, Recorder, Exports]]:
    """A recorder with exports on a free port."""
    recorder = Recorder(data, {}, pace=QUICK, audit=lambda master: Auditor(data, Signer(master), utc_us))
    recorder.start()
    wait_until(lambda: caught_up(recorder) and recorder.status()["audit"]["records"] >= recorder.status()["order_seq"])
    exports = Exports(recorder, Maker(data, recorder.door.cursor, Signer(recorder.master)))
    app = create_app(service := Service(recorder))
    add_exports(app, service, exports)
    exports.start()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", recorder, exports
    finally:
        server.should_exit = True
        thread.join()
        exports.close()
        recorder.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose records are all under a checkpoint."""
    folder = tmp_path_factory.mktemp("data")
    write(folder, records)
    with serving(folder):
        pass
    return folder


def token(recorder: Recorder, *roles: str) -> str:
    return sign(secret_of(recorder.master), Grant("usr_eve", "acme", roles or ("auditor",)), int(time.time()), 60)


def asked(url: str, recorder: Recorder, method: str, path: str, body: Any = None, *roles: str) -> Any:
    headers = {"authorization": f"Bearer {token(recorder, *roles)}"}
    return urllib3.request(method, url + path, headers=headers, body=None if body is None else json.dumps(body))


def bundled(url: str, recorder: Recorder, **more: Any) -> bytes:
    """Ask for an export as an auditor would, wait, and fetch it."""
    wanted = {"since_us": TS - DAY_US, "until_us": TS + DAY_US, "profile": "ai-act", **more}
    job = asked(url, recorder, "POST", "/v1/exports", wanted).json()
    wait_until(lambda: asked(url, recorder, "GET", f"/v1/exports/{job['id']}").json()["state"] == "done", timeout_s=30)
    answer = asked(url, recorder, "GET", f"/v1/exports/{job['id']}/bundle")
    assert answer.status == 200
    return bytes(answer.data)


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VerifierKey]:
    path = tmp_path_factory.mktemp("made") / "bundle.zip"
    with serving(data) as (url, recorder, _):
        path.write_bytes(bundled(url, recorder))
        return path, Signer(recorder.master).key


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_each_output_is_traced_to_what_led_to_it(made: tuple[Path, VerifierKey]) -> None:
    rows = [json.loads(line) for line in member(made[0], "evidence/00001.jsonl").splitlines()]
    assert [row["call_id"] for row in rows] == [f"call_{n}" for n in range(12) if n % 4 != 3]
    one = rows[1]
    assert (one["prompt"], one["prompt_id"], one["prompt_version"]) == ("", "p", "3")
    assert (one["policy"], one["policy_hash"], one["git_commit"], one["model_requested"]) == (
        "support",
        "abc",
        "c0ffee",
        "m",
    )
    assert (one["redactions"], one["confidence"], one["certificate"]) == ("request EMAIL_ADDRESS 1", 0.1, "cert")
    assert (one["reviewer"], one["review_state"], one["review_reason"]) == ("usr_ann", "edited", "wrong_tone")
    assert (one["success"], one["outcome_source"], one["overridden"]) == (False, "human", True)
    assert rows[2]["actions"] == "action.done"
    kinds = [json.loads(line)["kind"] for line in member(made[0], "events/00001.jsonl").splitlines()]
    assert kinds[:4] == ["review.decided", "outcome", "action.done", "login"]


def test_a_bundle_verifies_and_accounts_for_every_number(made: tuple[Path, VerifierKey]) -> None:
    report = verify_bundle(*made)
    assert (report.problems, report.records) == ([], 13)
    about = json.loads(member(made[0], "manifest.json"))
    assert about["sequence"] == {
        "first": 2, "last": 28, "exported": 13, "missing": [],
        "left_out": {"other tenants": 6, "beginnings of calls: the end says it all": 8},
    }  # fmt: skip
    assert about["scope"]["actor"] == "usr_eve"
    assert about["entities"] == [{"side": "request", "kind": "EMAIL_ADDRESS", "n": 45}]
    assert {each["rule"] for each in about["controls"]} == {"AI Act 12", "AI Act 14", "AI Act 19", "AI Act 26"}
    assert b"<h1>Evidence bundle</h1>" in member(made[0], "summary.html")


def test_every_rule_of_a_profile_stands_on_the_page_that_maps_them() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/compliance.md").read_text()
    titles = {"AI Act": "## EU AI Act", "GDPR": "## GDPR", "HIPAA": "## HIPAA", "SOC 2": "## SOC 2"}
    for rule in (control.rule for controls in PROFILES.values() for control in controls):
        law, _, number = rule.rpartition(" ")
        section = page.split(titles[law])[1].split("\n## ")[0]
        assert number in section, rule


def hashes_of(path: Path, table: str, rows: list[dict[str, Any]]) -> list[str]:
    """The hash of each row, from its values as a program holds them."""

    def text(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return "\0" if value is None else str(value).lower()
        return repr(value) if isinstance(value, float) else str(value)

    columns = [name for name, _ in json.loads(member(path, "manifest.json"))["tables"][table]["columns"]]
    cells = ["\x1f".join(text(row.get(name)) for name in columns) for row in rows]
    return [hashlib.sha256(row.encode()).hexdigest() for row in cells]


def test_csv_json_parquet_and_api_say_the_same(data: Path, made: tuple[Path, VerifierKey]) -> None:
    for table, question in (("evidence", "evidence"), ("events", "evidence_events")):
        lines = [json.loads(line) for line in member(made[0], f"{table}/00001.jsonl").decode().split("\n") if line]
        said = [line.pop("row_sha256") for line in lines]
        text = member(made[0], f"{table}/00001.csv").decode()
        _, *cells = csv.reader(io.StringIO(text, newline=""))
        typed = pq.read_table(io.BytesIO(member(made[0], f"{table}/00001.parquet"))).to_pylist()
        with serving(data) as (url, recorder, _):
            client = RecorderClient(url, lambda recorder=recorder: token(recorder))  # type: ignore[misc]
            through = json.loads(member(made[0], "manifest.json"))["sequence"]["last"]
            api = list(client.query(question, since=TS - DAY_US, until=TS + DAY_US, through=through).dicts())
        assert said == [row[-1] for row in cells] == [row.pop("row_sha256") for row in typed]
        assert hashes_of(made[0], table, lines) == said
        assert hashes_of(made[0], table, typed) == said
        assert hashes_of(made[0], table, api) == said


def test_no_cell_of_the_csv_is_a_formula(made: tuple[Path, VerifierKey]) -> None:
    for table in ("evidence", "events"):
        head, *rows = csv.reader(io.StringIO(member(made[0], f"{table}/00001.csv").decode(), newline=""))
        assert rows
        texts = [
            cell for row in rows for name, cell in zip(head, row, strict=True) if name not in {"confidence", "seq"}
        ]
        assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_same_range_gives_the_same_bytes(data: Path) -> None:
    closed = {"since_us": TS - DAY_US, "until_us": TS + 40}
    with serving(data) as (url, recorder, _):
        first = bundled(url, recorder, **closed)
        again = bundled(url, recorder, **closed)
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(again).hexdigest()


def test_an_export_leaves_events_and_needs_an_auditor(data: Path) -> None:
    wanted = {"since_us": 0, "until_us": 1}
    with serving(data) as (url, recorder, _):
        assert asked(url, recorder, "POST", "/v1/exports", wanted, "viewer", "admin").status == 403
        assert asked(url, recorder, "POST", "/v1/exports", wanted | {"profile": "x"}).status == 400
        assert asked(url, recorder, "POST", "/v1/exports", {"since_us": 5, "until_us": 5}).status == 400
        assert asked(url, recorder, "GET", "/v1/exports/exp_none").status == 404
        bundled(url, recorder, since_us=0, until_us=1)
        client = RecorderClient(url, lambda: token(recorder))
        wait_until(lambda: bool(client.query("events", kind="export.fetched").rows))
        said = client.query("events", kind="export.made").first()
    assert said
    assert said["actor"] == "usr_eve"


def test_a_killed_export_goes_on_where_it_was(data: Path) -> None:
    closed = {"since_us": TS - DAY_US, "until_us": TS + 41}
    with serving(data) as (url, recorder, exports):
        whole = bundled(url, recorder, **closed)
        (name,) = [job["id"] for job in exports.listed("acme") if job["until_us"] == closed["until_us"]]
        scope, maker = exports.job("acme", name).scope, exports._maker
        through = exports.job("acme", name).through
        exports._drop(name)
        job = Job(scope, through, 1)
        (exports.folder / name).mkdir()
        next(maker.steps(job, exports.folder / name))  # killed after its first part
    with serving(data) as (url, recorder, exports):
        wait_until(lambda: exports.job("acme", name).state == "done")
        assert asked(url, recorder, "GET", f"/v1/exports/{name}/bundle").data == whole


Change = Callable[[dict[str, bytes]], None]


def without_row(name: str) -> Change:
    def change(files: dict[str, bytes]) -> None:
        lines = files[name].splitlines(keepends=True)
        del lines[-1]
        files[name] = b"".join(lines)

    return change


def without_call_0(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if name.endswith((".jsonl", ".csv")):
            files[name] = b"".join(line for line in content.splitlines(keepends=True) if b"call_0" not in line)


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        (without_row("evidence/00001.jsonl"), 22),
        (without_row("evidence/00001.csv"), 22),
        (without_row("events/00001.csv"), 28),
        (without_row("leaves/00001.jsonl"), 28),
        (without_call_0, 2),
        (lambda files: files.pop("events/00001.parquet"), None),
        (lambda files: files.pop("events/00001.jsonl"), 25),
        (lambda files: files.update({"tree.bin": files["tree.bin"][48:]}), 1),
        (
            lambda files: files.update(
                {"evidence/00001.csv": files["evidence/00001.csv"].replace(b"hold", b"pass", 1)}
            ),
            2,
        ),
        (lambda files: files.update({"manifest.json": files["manifest.json"].replace(b"usr_eve", b"usr_bob")}), None),
        (lambda files: files.update({"more.txt": b"x"}), None),
    ],
)
def test_what_was_changed_is_named(
    made: tuple[Path, VerifierKey], tmp_path: Path, change: Change, seq: int | None
) -> None:
    with zipfile.ZipFile(made[0]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(forged, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    report = verify_bundle(forged, made[1])
    assert report.problems
    assert report.first_bad == seq
