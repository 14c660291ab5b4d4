"""JSON APIs described by a file, and webhooks out, against a real HTTP server."""

import base64
import json
from pathlib import Path

import pytest

from automations.connectors.api import Api
from automations.connectors.api_file import BadApiFile, read_api, read_named
from automations.connectors.api_records import ApiRecords, ApiRows
from automations.connectors.base import Refused, Unavailable, Unsure
from automations.connectors.http import Request, send
from automations.connectors.webhook import SignedHook, post_webhook
from automations.enrichment.rules import Company
from tests.peers import Offered, free_port, http_target

CRM = """
api: crm
schema: 1
base_url_env: CRM_URL
auth: {env: CRM_TOKEN}
headers: {x-team: sales}
idempotency_header: Idempotency-Key
per_second: 5
timeout_s: 2
operations:
  read: {method: GET, path: "/companies/{id}"}
  write: {method: PATCH, path: "/companies/{id}"}
  note: {method: POST, path: /notes}
  open:
    {method: GET, path: /companies, query: {state: open}, items: data.rows, pages: {parameter: cursor, next: data.next}}
  numbered: {method: GET, path: /companies, items: rows, pages: {parameter: page, number: true}}
"""


def crm(folder: Path, url: str, text: str = CRM) -> Api:
    (folder / "crm.yaml").write_text(text)
    waited: list[float] = []
    return Api(read_api(folder / "crm.yaml"), {"CRM_URL": url, "CRM_TOKEN": "t0ken"}, waited.append)


def test_an_operation_with_its_words_auth_and_key(tmp_path: Path) -> None:
    with http_target() as target:
        api = crm(tmp_path, target.url)
        assert api.call("write", {"city": "Köln"}, key="run-1.write", id="a/b ?c") == {"ok": True}
        asked = target.asked[0]
    assert (asked.method, asked.path, asked.body) == ("PATCH", "/companies/a%2Fb%20%3Fc", {"city": "Köln"})
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert (asked.headers["idempotency-key"], asked.headers["x-team"]) == ("run-1.write", "sales")
    assert "t0ken" not in repr(api)


def test_lists_go_on_page_by_page(tmp_path: Path) -> None:
    with http_target() as target:
        api = crm(tmp_path, target.url)
        for rows, following in (([1, 2], "n2"), ([3], None)):
            target.answers.append((200, {}, json.dumps({"data": {"rows": rows, "next": following}}).encode()))
        assert list(api.items("open")) == [1, 2, 3]
        assert [each.path for each in target.asked] == ["/companies?state=open", "/companies?state=open&cursor=n2"]
        target.answers += [(200, {}, b'{"rows": [1]}'), (200, {}, b'{"rows": []}')]
        assert list(api.items("numbered")) == [1]
        with pytest.raises(Refused, match=r"no list at data\.rows"):
            list(api.items("open"))


def test_a_failure_says_whether_anything_was_done(tmp_path: Path) -> None:
    with http_target() as target:
        api = crm(tmp_path, target.url)
        target.otherwise = (500, {}, b"")
        with pytest.raises(Unavailable):
            api.call("read", id="1")
        with pytest.raises(Unavailable):
            api.call("write", {}, key="k", id="1")
        with pytest.raises(Unsure):
            api.call("note", {})
        target.otherwise = (0, {}, b"")
        with pytest.raises(Unsure):
            api.call("note", {})
        target.otherwise = (429, {"retry-after": "7"}, b"")
        with pytest.raises(Unavailable) as waiting:
            api.call("note", {})
        assert waiting.value.after_s == 7
        target.otherwise = (404, {}, b"")
        with pytest.raises(Refused, match="404"):
            api.call("read", id="1")
        target.otherwise = (200, {}, b"<html>")
        with pytest.raises(Refused, match="no JSON"):
            api.call("read", id="1")
        target.otherwise = (302, {"location": "http://127.0.0.1:1/"}, b"")
        with pytest.raises(Refused, match="302"):
            api.call("read", id="1")
    with pytest.raises(Unavailable):
        crm(tmp_path, f"http://127.0.0.1:{free_port()}").call("note", {})


@pytest.mark.parametrize("url", ["crm.example.com", "https://", "ftp://crm.example.com", "https://[::1", "https://a:b"])
def test_a_wrong_address_names_its_setting(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused, match=r"^CRM_URL is no address; it begins with https://"):
        crm(tmp_path, url).call("read", id="1")
    with pytest.raises(Refused, match="no address"):
        post_webhook(url, "whsec_" + base64.b64encode(bytes(24)).decode(), "n1", {})


def test_a_setting_that_names_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadApiFile, match=r"^CRM_API names .*none\.yaml, which cannot be read: No such file"):
        read_named({"CRM_API": str(tmp_path / "none.yaml")}, "CRM_API")


def test_requests_go_where_the_file_says_and_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="https only"):
        send(Request("GET", "http://crm.example.com/", {}))
    with http_target() as target:
        for word in ("..", "."):
            with pytest.raises(Refused, match="another path"):
                crm(tmp_path, target.url).call("read", id=word)
        with pytest.raises(Refused, match="needs another word"):
            crm(tmp_path, target.url).call("read")
        assert not target.asked


def test_a_record_is_filled_where_nothing_stands_and_nobody_was_faster(tmp_path: Path) -> None:
    stands = json.dumps({"industry": None, "employees": 900, "city": ""}).encode()
    values, sources = {"industry": "software", "employees": 42, "city": "Cork"}, {"industry": "notes"}
    with http_target() as target:
        records = ApiRecords(crm(tmp_path, target.url))
        target.answers += [(200, {"etag": '"7"'}, stands), (412, {}, b"")]
        with pytest.raises(Unavailable):
            records.fill("c1", values, sources, "k", "run_x")
        target.answers += [(200, {"etag": '"8"'}, stands), (200, {}, b"{}")]
        done = records.fill("c1", values, sources, "k", "run_x")
        target.answers.append((200, {}, json.dumps(values).encode()))
        assert records.fill("c1", values, sources, "k").written == ()
    assert (done.written, done.kept) == (("industry", "city"), ("employees",))
    wrote = [each for each in target.asked if each.method == "PATCH"]
    assert [each.headers["if-match"] for each in wrote] == ['"7"', '"8"']
    said = {"industry": "software", "city": "Cork", "sources": {"industry": "notes", "city": ""}, "run": "run_x"}
    assert wrote[1].body == said


def test_records_that_are_listed_are_offered(tmp_path: Path) -> None:
    rows = [{"id": "1", "name": "A", "seats": 4}, {"id": "2"}, "nonsense"]
    with http_target() as target:
        target.answers.append((200, {}, json.dumps({"data": {"rows": rows}}).encode()))
        found = Offered()
        ApiRows(crm(tmp_path, target.url), Company).poll(found)
    assert found == [Company(id="1", name="A")]


def test_its_pace_is_kept(tmp_path: Path) -> None:
    waits: list[float] = []
    with http_target() as target:
        api = crm(tmp_path, target.url)
        api.sleep = waits.append
        for _ in range(4):
            api.call("read", id="1")
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[3] > 0.2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("api: crm", "api: [crm"), "crm.yaml:3:7"),
        (("method: PATCH", "method: SEND"), "crm.yaml:12:11: operations.write.method"),
        (("schema: 1", "schema: 1\ncolour: red"), "crm.yaml:4:1: colour: Extra inputs"),
        (("auth: {env: CRM_TOKEN}", "auth: {env: sk-very-secret}"), "crm.yaml:5:8: auth.env"),
        (("auth: {env: CRM_TOKEN}", "auth: {user_env: A}"), "auth: Value error, give either"),
        (("base_url_env: CRM_URL\n", ""), "give either `base_url`"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    with pytest.raises(BadApiFile) as told:
        crm(tmp_path, "", CRM.replace(*change))
    assert problem in str(told.value)
    assert "very-secret" not in str(told.value)


def test_a_webhook_that_we_post_is_one_that_we_read() -> None:
    secret = "whsec_" + base64.b64encode(b"x" * 24).decode()
    with http_target() as target:
        post_webhook(target.url, secret, "run-1.done", {"ticket": 7})
        (asked,) = target.asked
    hook = SignedHook("S", lambda identity, payload: [(identity, payload)], {"S": secret})
    assert hook.read(asked.headers, json.dumps(asked.body).encode()) == [("run-1.done", {"ticket": 7})]
