import re

import pytest

from metrics.record.queries import load_queries
from metrics.record.refusals import QueryError

QUERIES = load_queries()
NAMED = {
    "calls", "call", "calls_over_time", "entities", "latency_by_stage", "policies", "runs", "events",
}  # fmt: skip


def test_every_promised_question_is_there() -> None:
    assert set(QUERIES) >= NAMED


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_every_question_binds_the_tenant_and_every_parameter_it_declares(name: str) -> None:
    query = QUERIES[name]
    used = set(re.findall(r"\$([a-z]\w*)", re.sub(r"--.*", "", query.sql)))
    assert used == {"tenant", *query.parameters}
    assert "?" in query.question


def test_a_caller_cannot_give_the_tenant() -> None:
    with pytest.raises(QueryError, match="does not take tenant"):
        QUERIES["calls"].prepare("acme", {"tenant": "other"})


@pytest.mark.parametrize("value", ["5", 5.0, True, [5], 2**63])
def test_a_value_of_the_wrong_type_is_refused_with_a_sentence(value: object) -> None:
    with pytest.raises(QueryError, match="limit must be a whole number"):
        QUERIES["calls"].prepare("acme", {"limit": value})


def test_what_is_needed_must_be_given_and_the_rest_has_defaults() -> None:
    with pytest.raises(QueryError, match="call_id is missing"):
        QUERIES["call"].prepare("acme", {})
    assert QUERIES["calls"].prepare("acme", {}).values["limit"] == 100
    assert QUERIES["calls_over_time"].prepare("acme", {}).values["slice_s"] == 3600
