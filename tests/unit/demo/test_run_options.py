"""What `make run` sends, to whom."""

from demo.inbox import jobs
from demo.run import how_many, upstream_of
from demo.samples.read import AUTOMATIONS


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
