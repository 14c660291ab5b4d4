"""The sample traffic runs against any OpenAI-compatible server."""

import asyncio

from demo.flows import Models
from demo.run import how_many, upstream_of
from demo.samples.read import AUTOMATIONS
from demo.traffic import Job, Plan, Tally, jobs, send
from tests.integration.demo.conftest import Serve

KEYS = dict.fromkeys(AUTOMATIONS, "any")


def sent(plan: Plan, wanted: list[Job]) -> Tally:
    seen: list[Job] = []
    tally = asyncio.run(send(plan, wanted, seen.append))
    assert len(seen) == len(wanted)
    return tally


def test_every_sample_gets_an_answer_and_most_are_right(serve: Serve) -> None:
    with serve() as url:
        tally = sent(Plan(url, KEYS), jobs())
    assert (tally.done, tally.refused, tally.failed) == (len(jobs()), 0, 0), tally.reasons
    assert 0.55 < tally.met / tally.done < 0.9  # useful, and wrong often enough to be worth measuring
    assert tally.outcomes_refused > 0  # a model provider takes no outcomes; the runs go on


def test_refusals_are_counted_by_their_code(base_url: str) -> None:
    tally = sent(Plan(base_url, KEYS, Models("nope", "nope", "nope")), jobs(4))
    assert (tally.refused, tally.reasons) == (4, {"model_not_found": 4})
    assert "4 refused" in tally.sentence()


def test_a_gateway_that_is_gone_is_a_failure_and_no_crash(serve: Serve) -> None:
    with serve() as url:
        pass
    tally = sent(Plan(url, KEYS), jobs(2))
    assert (tally.failed, tally.reasons) == (2, {"APIConnectionError": 2})


def test_a_few_samples_come_from_all_automations() -> None:
    assert {job.automation for job in jobs(4)} == set(AUTOMATIONS)


def test_where_calls_cost_money_none_is_sent_unasked() -> None:
    assert how_many("simulated", None) is None
    assert how_many("openai", None) == 0
    assert how_many("openai", 3) == 3


def test_the_upstream_is_simulated_unless_said_otherwise() -> None:
    assert upstream_of({}) == "simulated"
    assert upstream_of({"UPSTREAM": "openai"}) == "openai"
    assert upstream_of({"UPSTREAM": "openai", "SLUICE_UPSTREAM": "vllm"}) == "vllm"
