"""Bodies that are wrong in any way are an OpenAI-shaped 4xx with one record; none breaks the gateway."""

from collections.abc import Iterator

import httpx2 as httpx
import orjson
import pytest

from benchmarks.hostile_requests import by_hand, mutations
from benchmarks.stand import KEY as CAMPAIGN_KEY
from tests.e2e.conftest import Start
from tests.e2e.wire import completion, text_chunks
from tests.integration.gateway.raw import ask
from tests.running_gateway import KEY, Running
from tests.upstream import Received, Step, Upstream, reply, stream

HAND_MADE = {name: data.replace(CAMPAIGN_KEY.encode(), KEY.encode()) for name, data in by_hand().items()}


def answer(request: Received) -> list[Step]:
    if request.path.endswith("/embeddings"):
        return reply({"data": []})
    return stream(*text_chunks("Hello.")) if request.json.get("stream") is True else reply(completion())


@pytest.fixture
def gateway(start: Start, upstream: Upstream) -> Running:
    upstream.default = answer
    return start()


@pytest.fixture
def http(gateway: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url, headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


def test_requests_made_by_hand_are_refused_one_record_each(gateway: Running) -> None:
    odd, unnamed = {}, []
    for name, data in HAND_MADE.items():
        status, headers, body = ask(gateway, data)
        if not 400 <= status < 500 or set(body["error"]) != {"message", "type", "param", "code"}:
            odd[name] = (status, body)
        if "x-request-id" not in headers:
            unnamed.append(name)
    assert not odd
    assert unnamed == ["bad chunk", "unknown coding"]  # their calls have ended as broken off by the client
    assert len(gateway.ends(len(HAND_MADE))) == len(HAND_MADE)


def test_mutated_bodies_are_answered_or_refused(http: httpx.Client, gateway: Running) -> None:
    count = 0
    for path, body in mutations(150, seed=7):
        response = http.post(path, content=body)
        assert response.status_code < 500, body
        if response.status_code != 200:
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        count += 1
    assert len(gateway.ends(count)) == count


TEXTS = [
    r'["\ud800 ann@example.com"]',
    r'["é \ud800 ann@example.com"]',
    '{"a": NaN, "mail": "ann@example.com"}',
    '{"a": 1e999, "mail": "ann@example.com"}',
    '{"a": ' + "9" * 5000 + "}",
    "[" * 3000 + "]" * 3000,
    '{"a": 1, "a": "ann@example.com"}',
    "\u0000\u2028\ufeff\uffff ann@example.com",
    "a\u0301" * 2000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_odd_texts_inside_a_right_request(text: str, http: httpx.Client, upstream: Upstream) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
    messages = [{"role": "user", "content": text}, {"role": "assistant", "tool_calls": [call]}]
    response = http.post("/v1/chat/completions", content=orjson.dumps({"model": "gpt-test", "messages": messages}))
    assert response.status_code in (200, 400), response.text
    assert not any(b"ann@example.com" in request.body for request in upstream.received)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            b'{"model":"m","messages":[{"role":"user","content":' + b'{"a":' * 80 + b"1" + b"}" * 80 + b"}]}",
            "unsearchable",
        ),
        (b'{"model":"m","messages":[1,2,3]}', "invalid_type"),
        (b'{"model":"m","messages":[{"role":"user","content":"hi"}],"prompt":[1,2]}', "unsearchable"),
    ],
)
def test_what_can_never_be_searched_is_the_callers_mistake(body: bytes, code: str, http: httpx.Client) -> None:
    response = http.post("/v1/chat/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    assert response.headers["x-should-retry"] == "false"
