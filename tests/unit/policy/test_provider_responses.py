"""Whether calls of the Responses API reach a provider as such, or as chat completions."""

import pytest

from policy.providers import Provider


@pytest.mark.parametrize(
    ("written", "translated"),
    [
        ({}, False),
        ({"simulated": True}, True),
        ({"responses": "translated"}, True),
        ({"responses": "native", "simulated": True}, False),
    ],
)
def test_a_simulated_provider_is_translated_unless_it_says_otherwise(
    written: dict[str, object], translated: bool
) -> None:
    provider = Provider.model_validate({"name": "test", "base_url": "http://127.0.0.1:1/v1", **written})
    assert provider.translates_responses is translated
