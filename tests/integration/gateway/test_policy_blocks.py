"""Blocks of a policy at work on real calls through the pipeline, with a scripted upstream."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.providers.scripted import ScriptedProvider, ScriptedReply, json_reply
from gateway.wire.chat import CHAT
from metrics.record.journal import MemoryJournal
from policy.snapshot import Snapshot
from tests.e2e.wire import ASK, completion
from tests.unit.gateway.making import Client, pipeline, snapshot

HEAD = "---\nid: draft\nversion: {version}\nowner: o@example.com\nvariables: [ticket]\n---\n"
PROMPT = HEAD + "Draft {version}: {{{{ ticket }}}}\n"


class World:
    """One policy, one pipeline, one scripted upstream."""

    def __init__(self, tree: Snapshot, *replies: ScriptedReply) -> None:
        self.journal = MemoryJournal()
        self.provider = ScriptedProvider(list(replies), name="test")
        self.pipeline = pipeline(tree, self.provider, self.journal)

    def ask(self, body: Mapping[str, Any] | None = None, **headers: str) -> Client:
        return asyncio.run(self.asking(body, **headers))

    async def asking(self, body: Mapping[str, Any] | None = None, **headers: str) -> Client:
        client = Client(orjson.dumps({"model": "gpt-test", "messages": ASK} | dict(body or {})), **headers)
        await client.ask(self.pipeline, CHAT)
        return client

    @property
    def ends(self) -> list[Mapping[str, Any]]:
        return [event.body for event in self.journal.events if event.kind == "call.end"]

    def sent(self, index: int = 0) -> Any:
        return orjson.loads(self.provider.sent[index].body or b"")


def answer(**message: Any) -> ScriptedReply:
    body = completion()
    body["choices"][0]["message"] |= message
    return json_reply(body)


def headers(client: Client) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in client.sent[0]["headers"]}


def code(client: Client) -> tuple[int, str]:
    return client.status, orjson.loads(client.body)["error"]["code"]


# --- data minimisation ---------------------------------------------------------------------------------------------


def test_dropped_fields_never_leave_and_are_counted(tmp_path: Path) -> None:
    tree = snapshot(tmp_path, routing="minimise: {drop: [customer.birthday, items.note]}\n")
    world = World(tree, answer())
    ticket = {"customer": {"name": "Ada", "birthday": "1815-12-10"}, "items": [{"id": 1, "note": "x"}, {"note": "y"}]}
    text = f"Summarise this:\n{orjson.dumps(ticket).decode()}\nThank you."
    assert world.ask({"messages": [{"role": "user", "content": text}]}).status == 200
    sent = world.sent()["messages"][0]["content"]
    assert "1815" not in sent
    assert sent.startswith("Summarise this:\n{")
    assert sent.endswith("}\nThank you.")
    assert world.ends[0]["minimised"] == {"enforce": "on", "fields": {"customer.birthday": 1, "items.note": 2}}


def test_only_kept_fields_leave(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, routing='minimise: {keep: [id, "lines[*].sku"]}\n'), answer())
    content = orjson.dumps({"id": 7, "name": "Ada", "lines": [{"sku": "a", "price": 1}]}).decode()
    world.ask({"messages": [{"role": "user", "content": content}]})
    assert orjson.loads(world.sent()["messages"][0]["content"]) == {"id": 7, "lines": [{"sku": "a"}]}
    assert world.ends[0]["minimised"]["fields"] == {"other": 2}


def test_observed_minimisation_changes_nothing(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, routing="minimise: {drop: [a], enforce: observe}\n"), answer())
    world.ask({"messages": [{"role": "user", "content": '{"a":1}'}]})
    assert world.sent()["messages"][0]["content"] == '{"a":1}'
    assert world.ends[0]["minimised"] == {"enforce": "observe", "fields": {"a": 1}}


# --- prompts -------------------------------------------------------------------------------------------------------


def with_prompts(folder: Path, block: str) -> Snapshot:
    (folder / "prompts" / "draft").mkdir(parents=True)
    for version in (1, 2):
        (folder / "prompts" / "draft" / f"v{version}.md").write_text(PROMPT.format(version=version))
    return snapshot(folder, routing=block)


def test_a_reference_becomes_its_text_and_the_record_names_version_and_hash(tmp_path: Path) -> None:
    tree = with_prompts(tmp_path, "prompts: {}\n")
    world = World(tree, answer(), answer())
    evil = "{{ 7*7 }} ada@example.com"
    assert world.ask({"prompt": {"id": "draft", "version": "1", "variables": {"ticket": evil}}}).status == 200
    system, *rest = world.sent()["messages"]
    assert system["content"].startswith("Draft 1: {{ 7*7 }} [EMAIL_")
    assert [message["role"] for message in rest] == ["user"]
    assert "prompt" not in world.sent()
    said = world.ends[0]["prompt"]
    prompt = next(each for key, each in tree.prompts.items() if key.version == 1)
    assert said == {"id": "draft", "version": 1, "sha256": prompt.sha256, "decision": "allow", "by": "reference"}
    world.ask({"prompt": {"id": "draft", "variables": {"ticket": "x"}}})
    assert world.ends[1]["prompt"]["version"] == 2


@pytest.mark.parametrize(
    ("block", "said", "expected"),
    [
        ("prompts: {allow: [draft@>=2]}\n", {"prompt": {"id": "draft", "version": 1}}, 403),
        ("prompts: {allow: [draft@>=2]}\n", {"prompt": {"id": "draft", "variables": {"ticket": "x"}}}, 200),
        ("prompts: {}\n", {}, 403),
        ("prompts: {unregistered: flag}\n", {}, 200),
        ("prompts: {enforce: observe}\n", {}, 200),
        ("prompts: {}\n", {"prompt": {"id": "draft", "variables": {}}}, 400),
        ("prompts: {}\n", {"prompt": {"id": "other"}}, 403),
        ("", {}, 200),
    ],
)
def test_which_prompts_may_run(tmp_path: Path, block: str, said: dict[str, Any], expected: int) -> None:
    world = World(with_prompts(tmp_path, block), answer())
    assert world.ask(said).status == expected
    assert world.ends[0]["outcome"] == ("ok" if expected == 200 else "refused")


def test_a_label_names_a_registered_prompt(tmp_path: Path) -> None:
    world = World(with_prompts(tmp_path, "prompts: {allow: [draft]}\n"), answer())
    assert world.ask(x_sluice_prompt="draft@2").status == 200
    assert (world.ends[0]["prompt"]["version"], world.ends[0]["prompt"]["by"]) == (2, "label")


# --- tools ---------------------------------------------------------------------------------------------------------

TOOLS = """
tools:
  rules:
    - {tool: "read_*", action: allow}
    - {tool: refund, at: called, action: deny, when: "double(arguments.amount) > 100.0"}
    - {tool: refund, action: allow}
"""


def offer(*names: str) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": name}} for name in names]}


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


def test_a_denied_tool_cannot_be_offered(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, delivery="buffered", routing=TOOLS), answer())
    refused = world.ask(offer("read_mail", "delete_all"))
    assert code(refused) == (403, "tool_not_allowed")
    assert orjson.loads(refused.body)["error"]["param"] == "tools[1]"
    assert headers(refused)["x-should-retry"] == "false"
    assert not world.provider.sent
    assert world.ask(offer("read_mail", "refund")).status == 200


@pytest.mark.parametrize(
    ("arguments", "status"), [('{"amount": 50}', 200), ('{"amount": 500}', 403), ("not json", 403)]
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_model_calls_is_judged_by_its_arguments(
    tmp_path: Path, arguments: str, status: int, stream: bool
) -> None:
    tree = snapshot(tmp_path, delivery="buffered", routing=TOOLS)
    world = World(tree, streamed(arguments) if stream else answer(**call("refund", arguments)))
    said = world.ask(offer("refund") | {"stream": stream})
    assert said.status == status
    if status == 403:
        assert code(said) == (403, "tool_call_withheld")
        assert b"amount" not in said.body
    assert [row[:3] for row in world.ends[0]["tools"]][-1] == ["called", "refund", "deny" if status == 403 else "allow"]


def streamed(arguments: str) -> ScriptedReply:
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "refund", "arguments": arguments[:3]}}
    deltas = [{"tool_calls": [first]}, {"tool_calls": [{"index": 0, "function": {"arguments": arguments[3:]}}]}]
    events = [{"id": "x", "model": "gpt-test", "choices": [{"index": 0, "delta": each}]} for each in deltas]
    events.append({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    raw = [b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
    return ScriptedReply(200, [*raw, b"data: [DONE]\n\n"], {"content-type": "text/event-stream"})


def test_observed_tool_rules_are_only_noted(tmp_path: Path) -> None:
    block = 'tools: {rules: [{tool: "*", at: called, action: deny, enforce: observe}], default: allow}\n'
    world = World(snapshot(tmp_path, routing=block), answer(**call("refund", "{}")))
    assert world.ask(offer("refund")).status == 200
    assert ["called", "refund", "allow", "default", ["rules[0]: deny"]] in world.ends[0]["tools"]


# --- limits and budgets ----------------------------------------------------------------------------------------------


def test_calls_a_minute(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, routing="limits: {requests_per_minute: 2}\n"), answer(), answer())
    first, second, third = (world.ask() for _ in range(3))
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert headers(first)["x-ratelimit-limit-requests"] == "2"
    assert [headers(each)["x-ratelimit-remaining-requests"] for each in (first, second)] == ["1", "0"]
    assert code(third) == (429, "rate_limit_exceeded")
    assert "x-should-retry" not in headers(third)
    assert 1 <= int(headers(third)["retry-after"]) <= 60
    assert world.ends[2]["refused_by"] == "limits.requests"


def test_tokens_a_minute(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, routing="limits: {tokens_per_minute: 5000}\n"), answer())
    said = world.ask({"max_tokens": 100})
    assert said.status == 200
    assert int(headers(said)["x-ratelimit-remaining-tokens"]) < 5000
    assert code(world.ask({"max_tokens": 6000})) == (429, "rate_limit_exceeded")


def test_calls_at_once(tmp_path: Path) -> None:
    slow = ScriptedReply(200, [b"{"], hangs=True)
    world = World(snapshot(tmp_path, routing="limits: {concurrent_calls: 1}\n"), slow, answer())

    async def one_after_another() -> list[int]:
        first = asyncio.create_task(world.asking())
        async with asyncio.timeout(5):
            while not world.provider.sent:  # noqa: ASYNC110 - the provider has no event to wait for
                await asyncio.sleep(0.001)
        second = await world.asking()
        first.cancel()
        await first
        return [second.status, (await world.asking()).status]

    assert asyncio.run(one_after_another()) == [429, 200]


def test_an_observed_limit_refuses_nobody(tmp_path: Path) -> None:
    block = "limits: {requests_per_minute: 1, enforce: observe}\n"
    world = World(snapshot(tmp_path, routing=block), answer(), answer())
    assert [world.ask().status for _ in range(2)] == [200, 200]
    assert world.ends[1]["would_refuse"] == ["limits.requests"]


def test_a_budget_refuses_what_could_pass_it_and_charges_what_was_used(tmp_path: Path) -> None:
    block = "budget: {rules: [{period: day, usd: 0.002}]}\n"
    world = World(snapshot(tmp_path, routing=block), *(answer() for _ in range(9)))
    statuses = [world.ask({"max_tokens": 300}).status for _ in range(9)]
    assert statuses[0] == 200
    spent = sum(end["cost_usd"] or 0 for end in world.ends)
    assert spent <= 0.002
    charged = sum(charge[2] for end in world.ends for charge in end.get("charges", []))
    assert charged == round(spent * 1e9)
    refused = world.ask({"max_tokens": 1000})
    assert code(refused) == (429, "budget_exceeded")
    assert headers(refused)["x-should-retry"] == "false"
    assert world.ends[-1]["refused_by"] == "budget.rules[0]"


def test_an_upstreams_error_costs_nothing(tmp_path: Path) -> None:
    block = "budget: {rules: [{period: day, tokens: 2000}]}\n"
    world = World(snapshot(tmp_path, routing=block), json_reply({"error": {"message": "no"}}, 400), answer())
    assert world.ask({"max_tokens": 1500}).status == 400
    assert world.ends[0]["charges"] == [("automation:drafting|tokens|day", world.ends[0]["charges"][0][1], 0)]
    assert world.ask({"max_tokens": 1500}).status == 200
    reserved = [event for event in world.journal.written if event.kind == "call.reserved"]
    assert len(reserved) == 2


def test_a_model_without_a_price_is_refused_under_a_budget_in_dollars(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, routing="budget: {rules: [{period: day, usd: 1}]}\n"))
    assert code(world.ask({"model": "nobody-knows"})) == (403, "price_unknown")


def test_a_call_that_names_no_maximum_gets_the_budgets(tmp_path: Path) -> None:
    block = "budget: {rules: [{period: day, usd: 1}], answer_tokens: 77}\n"
    world = World(snapshot(tmp_path, routing=block), answer(), answer())
    world.ask()
    assert world.sent()["max_completion_tokens"] == 77
    world.ask({"max_tokens": 5})
    assert "max_completion_tokens" not in world.sent(1)


# --- routing ---------------------------------------------------------------------------------------------------------

ROUTING = """
routing:
  constraints: {regions: [eu]}
  rules:
    - when: "request.has_images"
      candidates: [{model: second/eyes, capabilities: [vision], region: eu}]
    - models: [gpt-test]
      candidates:
        - {model: gpt-test, region: us}
        - {model: second/small, region: eu, context_tokens: 5}
        - {model: second/large, region: eu}
"""


def test_a_route_is_explained_in_the_record(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path, routing=ROUTING), answer())
    assert world.ask({"max_tokens": 10}).status == 200
    assert world.sent()["model"] == "large"
    assert world.ends[0]["route"] == {
        "rule": "rules[1]",
        "candidates": ["second/large"],
        "passed": [["gpt-test", "regions"], ["second/small", "context_tokens"]],
    }
    assert world.ends[0]["features"] == {"messages": len(ASK), "max_output_tokens": 10, "needs": []}


def test_a_run_stays_in_its_arm(tmp_path: Path) -> None:
    block = """
routing:
  rules:
    - candidates: [{model: a}, {model: b}]
      split: {name: canary, arms: [{name: old, model: a, share: 0.5}, {name: new, model: b, share: 0.5}]}
"""
    world = World(snapshot(tmp_path, routing=block), *(answer() for _ in range(24)))
    for run in range(8):
        for _ in range(3):
            world.ask(x_sluice_run_id=f"run-{run}")
    arms = [(end["route"]["arm"], world.sent(index)["model"]) for index, end in enumerate(world.ends)]
    assert all(len(set(arms[at : at + 3])) == 1 for at in range(0, 24, 3))
    assert set(arms) == {("old", "a"), ("new", "b")}
