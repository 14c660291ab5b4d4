"""Where labels come from, which carrier wins, and what is refused."""

import pytest

from gateway.errors import BadRequest
from gateway.wire import labels


def test_header_beats_metadata_beats_baggage() -> None:
    headers = {
        b"x-sluice-run-id": b"from-header",
        b"baggage": b"sluice.run_id=b,sluice.step=from%20baggage;p=1,other=2",
    }
    found = labels.read(headers, {"run_id": "m", "prompt": "reply@3", "theirs": "x"})
    assert found == labels.Labels(run_id="from-header", step="from baggage", prompt="reply@3")
    assert found.for_policy() == {"run_id": "from-header", "step": "from baggage", "prompt": "reply@3"}


def test_a_call_without_labels_has_none() -> None:
    assert labels.read({b"content-type": b"application/json"}, None) is labels.NONE
    assert labels.read({b"x-sluice-run-id": b" "}, {"step": ""}) is labels.NONE


def test_our_metadata_is_stripped_and_theirs_stays() -> None:
    body = {"model": "m", "metadata": {"run_id": "r", "theirs": "x"}}
    assert labels.without_labels(body) == {"model": "m", "metadata": {"theirs": "x"}}
    assert labels.without_labels({"model": "m", "metadata": {"subject": "s"}}) == {"model": "m"}
    untouched = {"model": "m", "metadata": {"theirs": "x"}}
    assert labels.without_labels(untouched) is untouched


@pytest.mark.parametrize("value", [7, ["x"], "x" * 513])
def test_labels_that_cannot_be_used_are_named(value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        labels.read({}, {"step": value})
    assert refused.value.param == "metadata.step"
