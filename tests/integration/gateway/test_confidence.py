"""Confidence at work on real calls through the pipeline: scorers, bands, fallbacks, escalation; a scripted upstream."""

from math import log
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.providers.scripted import ScriptedReply, json_reply, stream_reply
from policy.problems import PolicyErrors
from policy.snapshot import Snapshot
from tests.e2e.wire import chunk, completion, text_chunks, usage_chunk
from tests.integration.gateway.test_policy_blocks import World, code, headers
from tests.unit.gateway.making import snapshot

TEMPLATE = """
template: sorry
version: {version}
schema: 1
owner: o@example.com
wordings:
  - {{language: de, text: "Leider nein ({{{{ step }}}})."}}
  - text: "v{version}: not now. You asked: {{{{ question }}}}"
    fields: {{reply: "Not now, {{{{ automation }}}}.", sure: false}}
"""
SCHEMA = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}


def tree(folder: Path, scorers: str, bands: str, *, unscored: str = "block", more: str = "") -> Snapshot:
    for version in (1, 2):
        (folder / "templates" / "sorry").mkdir(parents=True, exist_ok=True)
        (folder / "templates" / "sorry" / f"v{version}.yaml").write_text(TEMPLATE.format(version=version))
    block = f"confidence: {{scorers: [{scorers}], bands: [{bands}], unscored: {unscored}, template: sorry}}\n{more}"
    return snapshot(folder, "buffered", routing=block)


def sure(probability: float, text: str = "Hello.", **more: Any) -> ScriptedReply:
    body = completion({"content": text})
    entry = {"token": text, "logprob": log(probability), "bytes": None, "top_logprobs": []}
    body["choices"][0]["logprobs"] = {"content": [entry], "refusal": None}
    return json_reply(body | more)


def said(text: str, **more: Any) -> ScriptedReply:
    return json_reply(completion({"content": text}) | more)


LOGPROB = "{kind: logprob}"
LADDER = "{at_least: 0.8, verdict: pass}, {at_least: 0.4, verdict: fallback}, {at_least: 0, verdict: block}"


def test_logprobs_are_asked_for_read_and_taken_out_again(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER), sure(0.9))
    client = world.ask()
    assert (client.status, world.sent()["logprobs"]) == (200, True)
    assert orjson.loads(client.body)["choices"][0]["logprobs"] is None
    end = world.ends[0]
    assert (end["verdict"], round(end["confidence"], 3), end["verdict_rule"]) == ("pass", 0.9, "bands[0]")
    assert end["scores"][0]["kind"] == "logprob"
    assert headers(client)["x-sluice-confidence"] == "0.9000"
    assert end["stages_us"].keys() >= {"score", "judge"}


def test_a_caller_who_asked_for_logprobs_keeps_them(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER), sure(0.9))
    client = world.ask({"logprobs": True})
    assert orjson.loads(client.body)["choices"][0]["logprobs"]["content"][0]["token"] == "Hello."


def test_a_fallback_stands_in_the_answers_place(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER), sure(0.5, "Something unsure."))
    client = world.ask()
    choice = orjson.loads(client.body)["choices"][0]
    assert choice["message"]["content"] == "v2: not now. You asked: Write to ann@example.com please."
    assert (choice["finish_reason"], headers(client)["x-sluice-decision"]) == ("stop", "fallback")
    end = world.ends[0]
    assert (end["verdict"], end["outcome"]) == ("fallback", "ok")
    assert end["fallback"] == {"template": "sorry", "version": 2, "wording": 1}
    kept = content.fields if (content := world.journal.committed[-1][1]) else {}
    assert "unsure" in str(kept["answer"])
    assert "ann@example.com" not in str(kept["shown"])
    assert "not now" in str(kept["shown"])


def test_a_repeated_request_gets_the_same_fallback_and_nobody_else_does(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER, more="cache: {mode: exact}\n"), *(sure(0.5) for _ in range(2)))
    first, again = world.ask(idempotency_key="order-1"), world.ask(idempotency_key="order-1")
    assert orjson.loads(again.body) == orjson.loads(first.body)
    assert headers(again)["x-sluice-reused"] == "idempotency"
    assert "x-sluice-reused" not in headers(world.ask())


def test_a_fallback_has_language_and_the_wanted_shape(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER), *(sure(0.5) for _ in range(3)))
    german = orjson.loads(world.ask(x_sluice_language="DE", x_sluice_step="draft").body)
    assert german["choices"][0]["message"]["content"] == "Leider nein (draft)."
    shaped = orjson.loads(world.ask({"response_format": FORMAT}).body)
    assert orjson.loads(shaped["choices"][0]["message"]["content"]) == {"reply": "Not now, drafting.", "sure": False}
    other = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA | {"required": ["total"]}}}
    assert code(world.ask({"response_format": other})) == (403, "fallback_unfit")
    assert world.ends[2]["verdict"] == "fallback"


def test_a_blocked_answer_is_withheld_and_its_cost_recorded(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER), sure(0.1))
    client = world.ask()
    assert code(client) == (403, "answer_withheld")
    assert headers(client)["x-sluice-decision"] == "block"
    end = world.ends[0]
    assert (end["verdict"], end["outcome"], end["cost_usd"] > 0) == ("block", "refused", True)


def test_a_missing_signal_gives_the_unscored_verdict(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER, unscored="fallback"), said("No probabilities."))
    assert b"not now" in world.ask().body
    end = world.ends[0]
    assert (end["verdict_rule"], end["confidence"], end["scores"][0]["why"]) == ("unscored", None, "no_logprobs")


def test_a_buffered_stream_is_judged_before_it_is_shown(tmp_path: Path) -> None:
    probable = {"content": [{"token": "Hel", "logprob": log(0.9)}]}
    piece = chunk({"content": "Hel"})
    piece["choices"][0]["logprobs"] = probable
    events = [chunk({"role": "assistant"}), piece, *text_chunks("lo.")[1:], usage_chunk()]
    world = World(tree(tmp_path, LOGPROB, LADDER), stream_reply(*events), stream_reply(*text_chunks("x")))
    client = world.ask({"stream": True})
    assert b"lo." in client.body
    assert b'"token"' not in client.body
    assert world.ends[0]["verdict"] == "pass"
    assert code(world.ask({"stream": True})) == (403, "answer_withheld")


def test_a_fallback_can_be_streamed(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, LADDER, unscored="fallback"), stream_reply(*text_chunks("x"), usage_chunk()))
    body = world.ask({"stream": True}).body
    assert b"not now" in body
    assert b'"content":"x"' not in body
    assert body.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize(
    ("answer", "asked", "verdict"),
    [
        ('{"sure": true}', {"response_format": FORMAT}, "pass"),
        ('{"sure": "yes"}', {"response_format": FORMAT}, "block"),
        ("no json", {"response_format": FORMAT}, "block"),
        ('{"sure": true}', {}, "block"),  # nothing to check: the unscored verdict
    ],
)
def test_the_schema_scorer(tmp_path: Path, answer: str, asked: dict[str, Any], verdict: str) -> None:
    bands = "{at_least: 1.0, verdict: pass}, {at_least: 0, verdict: block}"
    world = World(tree(tmp_path, "{kind: schema}", bands), said(answer))
    world.ask(asked)
    assert world.ends[0]["verdict"] == verdict


def test_rules_and_expressions_see_the_callers_own_values(tmp_path: Path) -> None:
    scorers = (
        """{kind: schema, rules: ["answer.to == 'ann@example.com'"]}, {kind: expression, expression: "answer.sure"}"""
    )
    world = World(tree(tmp_path, scorers, LADDER), said('{"to": "none", "sure": 1}'))
    world.provider.replies.insert(0, _echo(world))
    client = world.ask()
    assert (client.status, world.ends[0]["confidence"]) == (200, 0.85)


def _echo(world: World) -> ScriptedReply:
    """Answer with the placeholder that the request brings."""

    class Echo(ScriptedReply):
        async def next(self) -> bytes | None:
            if not self.chunks:
                mark = world.sent()["messages"][0]["content"].split()[2]
                body = completion({"content": orjson.dumps({"to": mark, "sure": 0.85}).decode()})
                self.chunks = [orjson.dumps(body)]
            return await ScriptedReply.next(self)

    return Echo()


def test_an_observed_block_passes_everything_and_says_what_it_would_have_done(tmp_path: Path) -> None:
    block = (
        f"confidence: {{scorers: [{LOGPROB}], bands: [{LADDER}], unscored: block, enforce: observe, template: sorry}}\n"
    )
    tree(tmp_path, LOGPROB, LADDER)
    world = World(snapshot(tmp_path, "live", routing=block), sure(0.1), stream_reply(*text_chunks("x")))
    assert world.ask().status == 200
    assert (world.ends[0]["verdict"], world.ends[0]["would"]) == ("pass", "block")
    assert world.ask({"stream": True}).status == 200
    assert (world.ends[1]["verdict"], world.ends[1]["would"]) == ("pass", "block")


ESCALATE = "{at_least: 0.8, verdict: pass}, {at_least: 0.1, verdict: escalate}, {at_least: 0, verdict: block}"
MODELS = """
routing:
  candidates:
    - {model: test/gpt-small, quality: 0.5}
    - {model: test/gpt-huge, quality: 0.9}
    - {model: test/gpt-large, quality: 0.7}
  retries: {attempts: 0}
"""


def test_an_unsure_answer_is_asked_of_the_next_better_model_once(tmp_path: Path) -> None:
    world = World(tree(tmp_path, LOGPROB, ESCALATE, more=MODELS), sure(0.5), sure(0.95, "Better."))
    assert b"Better." in world.ask().body
    assert [world.sent(n)["model"] for n in (0, 1)] == ["gpt-small", "gpt-large"]
    end = world.ends[0]
    assert [attempt.get("purpose") for attempt in end["attempts"]] == ["escalated", None]
    one, two = (attempt["cost_usd"] for attempt in end["attempts"])
    assert end["cost_usd"] == pytest.approx(one + two)
    assert end["usage"]["input_tokens"] == 2 * end["attempts"][1]["usage"]["input_tokens"]


def test_escalation_happens_once_and_falls_through_to_the_next_band(tmp_path: Path) -> None:
    bands = ESCALATE.replace("0, verdict: block", "0, verdict: fallback")
    world = World(tree(tmp_path, LOGPROB, bands, more=MODELS), sure(0.5), sure(0.5))
    assert b"not now" in world.ask().body
    failing = World(tree(tmp_path / "b", LOGPROB, bands, more=MODELS), sure(0.5), json_reply({}, 500))
    assert b"not now" in failing.ask().body
    assert failing.ends[0]["verdict"] == "fallback"


def test_self_consistency_asks_again_and_charges_for_it(tmp_path: Path) -> None:
    scorer = "{kind: self_consistency, samples: 3, agreement: fields}"
    replies = [said('{"a": 1, "b": "X"}'), said('{"a": 1, "b": "x "}'), said('{"a": 1, "b": "y"}')]
    world = World(tree(tmp_path, scorer, LADDER.replace("0.8", "0.7")), *replies)
    assert world.ask().status == 200
    end = world.ends[0]
    assert end["confidence"] == 0.75
    assert [attempt.get("purpose") for attempt in end["attempts"]] == [None, "sample", "sample"]
    assert end["cost_usd"] == pytest.approx(sum(attempt["cost_usd"] for attempt in end["attempts"]))
    assert end["scores"][0]["cost_usd"] > 0


HEAD = "---\nid: check\nversion: 1\nowner: o@example.com\nvariables: [question, answer]\n---\n"


def test_a_verifier_reads_clean_text_only(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "check").mkdir(parents=True)
    (tmp_path / "prompts" / "check" / "v1.md").write_text(HEAD + "Q {{ question }} A {{ answer }}\n")
    scorer = "{kind: verifier, model: second/judge, prompt: check}"
    world = World(tree(tmp_path, scorer, LADDER), said("Hello."), said('{"score": 0.9}'), said("Hi."), said("perhaps"))
    assert world.ask().status == 200
    asked = world.sent(1)["messages"][0]["content"]
    assert asked.endswith("A Hello.")
    assert "ann@example.com" not in asked
    assert (world.ends[0]["confidence"], world.ends[0]["attempts"][1]["purpose"]) == (0.9, "verifier")
    assert code(world.ask()) == (403, "answer_withheld")
    assert world.ends[1]["scores"][0]["why"] == "no_verdict"


def test_a_policy_that_sends_before_it_judges_does_not_load(tmp_path: Path) -> None:
    tree(tmp_path, LOGPROB, LADDER)
    block = f"confidence: {{scorers: [{LOGPROB}], bands: [{LADDER}], template: sorry, unscored: block}}\n"
    with pytest.raises(PolicyErrors, match="cannot take back"):
        snapshot(tmp_path, "live", routing=block)


@pytest.mark.parametrize(
    ("text", "surer"), [("The invoice of 12 May is 420 euros.", True), ("It was 900 euros.", False)]
)
def test_grounding_compares_with_the_whole_request(tmp_path: Path, text: str, surer: bool) -> None:
    bands = "{at_least: 0.6, verdict: pass}, {at_least: 0, verdict: block}"
    world = World(tree(tmp_path, "{kind: grounding}", bands), said(text))
    facts = {"role": "system", "content": "The invoice of 12 May amounts to 420 euros. The invoice is 420 euros."}
    world.ask({"messages": [facts, {"role": "user", "content": "What is the invoice of 12 May?"}]})
    assert world.ends[0]["verdict"] == ("pass" if surer else "block")
    assert world.ends[0]["scores"][0]["kind"] == "grounding"


def test_texts_too_long_to_compare_are_unscored(tmp_path: Path) -> None:
    bands = "{at_least: 0.6, verdict: pass}, {at_least: 0, verdict: pass}"
    world = World(tree(tmp_path, "{kind: grounding}", bands), said("It is 420 euros."))
    world.ask({"messages": [{"role": "user", "content": "The invoice is 420 euros. " * 12_000}]})
    [scored] = world.ends[0]["scores"]
    assert (scored["score"], scored["why"], world.ends[0]["confidence"]) == (None, "too_long", None)


def test_a_verifiers_prompt_speaks_of_question_and_answer_only(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "check").mkdir(parents=True)
    (tmp_path / "prompts" / "check" / "v1.md").write_text(
        HEAD.replace("question", "ticket") + "{{ ticket }} {{ answer }}"
    )
    with pytest.raises(PolicyErrors, match="`ticket` is unknown to verifiers"):
        tree(tmp_path, "{kind: verifier, model: second/judge, prompt: check}", LADDER)


def test_of_several_choices_every_one_is_sampled_against_and_verified(tmp_path: Path) -> None:
    def both(first: str, second: str) -> ScriptedReply:
        body = completion({"content": first})
        body["choices"].append(completion({"content": second})["choices"][0] | {"index": 1})
        return json_reply(body)

    scorer = "{kind: self_consistency, samples: 2}"
    world = World(tree(tmp_path / "a", scorer, LADDER), both("it is red", "no idea"), said("it is red"))
    assert code(world.ask({"n": 2})) == (403, "answer_withheld")
    assert world.ends[0]["confidence"] == 0
    (tmp_path / "b" / "prompts" / "check").mkdir(parents=True)
    (tmp_path / "b" / "prompts" / "check" / "v1.md").write_text(HEAD + "Q {{ question }} A {{ answer }}\n")
    scorer = "{kind: verifier, model: second/judge, prompt: check}"
    replies = [both("It is red.", "It is blue."), said("yes"), said("no")]
    world = World(tree(tmp_path / "b", scorer, LADDER), *replies)
    assert code(world.ask({"n": 2})) == (403, "answer_withheld")
    assert [attempt.get("purpose") for attempt in world.ends[0]["attempts"]] == [None, "verifier", "verifier"]
    assert world.ends[0]["confidence"] == 0
