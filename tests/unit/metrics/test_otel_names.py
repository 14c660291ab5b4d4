"""The names we copied are OpenTelemetry's own."""

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes

from metrics.record import otel_names as names
from metrics.record.otel_meters import COUNTED

THEIRS = {
    names.OPERATION: gen_ai.GEN_AI_OPERATION_NAME,
    names.PROVIDER: gen_ai.GEN_AI_PROVIDER_NAME,
    names.REQUEST_MODEL: gen_ai.GEN_AI_REQUEST_MODEL,
    names.REQUEST_STREAM: gen_ai.GEN_AI_REQUEST_STREAM,
    names.RESPONSE_MODEL: gen_ai.GEN_AI_RESPONSE_MODEL,
    names.FINISH_REASONS: gen_ai.GEN_AI_RESPONSE_FINISH_REASONS,
    names.FIRST_CHUNK_S: gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
    names.INPUT_TOKENS: gen_ai.GEN_AI_USAGE_INPUT_TOKENS,
    names.OUTPUT_TOKENS: gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS: gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    names.CACHE_WRITE_TOKENS: gen_ai.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
    names.REASONING_TOKENS: gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    names.TOKEN_TYPE: gen_ai.GEN_AI_TOKEN_TYPE,
    names.PROMPT_NAME: gen_ai.GEN_AI_PROMPT_NAME,
    names.ERROR_TYPE: error_attributes.ERROR_TYPE,
    names.METHOD: http_attributes.HTTP_REQUEST_METHOD,
    names.ROUTE: http_attributes.HTTP_ROUTE,
    names.STATUS: http_attributes.HTTP_RESPONSE_STATUS_CODE,
    names.OPERATION_DURATION: gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION,
    names.TOKEN_USAGE: gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE,
    names.TIME_TO_FIRST_CHUNK: gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
}


@pytest.mark.parametrize(("ours", "theirs"), THEIRS.items())
def test_a_copied_name_equals_the_package(ours: str, theirs: str) -> None:
    assert ours == theirs


def test_every_other_name_says_that_it_is_ours() -> None:
    used = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    labels = {label for spec in COUNTED for label in spec.labels} | {spec.name for spec in COUNTED}
    own = (used | labels) - set(THEIRS)
    assert own
    assert not [name for name in own if not name.startswith("sluice.")]


def test_endpoints_are_operations_of_the_convention() -> None:
    known = {value.value for value in gen_ai.GenAiOperationNameValues}
    endpoints = ("chat.completions", "responses", "completions", "embeddings")
    assert {names.operation(endpoint) for endpoint in endpoints} <= known
