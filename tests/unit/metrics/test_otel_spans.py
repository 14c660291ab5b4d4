"""A recorded call becomes the spans a reader of traces expects, and nothing of it can hold up the others."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from metrics.record.events import Event
from metrics.record.otel_settings import sampler_of
from metrics.record.otel_spans import SpanMaker
from tests.unit.metrics.test_otel_meters import json_values

TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
END_US = 1_790_000_000_000_000
BODY: dict[str, Any] = {
    "call_id": "call_1", "endpoint": "chat.completions", "status": 200, "outcome": "ok", "verdict": "pass",
    "trace_id": TRACE, "span_id": SPAN, "parent_span_id": PARENT, "trace_flags": "01", "total_ms": 100.0,
    "model_answered": "m-2026", "finish_reasons": ["stop"], "labels": {"prompt": "draft@3"}, "policy": "support",
    "stages_us": {"admit": 1000, "clear": 2000, "invoke": 90_000, "screen": 3000, "judge": 500},
    "attempts": [
        {"n": 1, "provider": "a", "model": "m", "status": 503, "error_code": "upstream_error", "total_ms": 20.0},
        {"n": 2, "provider": "b", "model": "m", "status": 200, "total_ms": 60.0, "first_byte_ms": 12.0,
         "usage": {"input_tokens": 4, "cached_input_tokens": 6, "output_tokens": 2, "reasoning_tokens": 1}},
    ],
    "entities": {"request": {"EMAIL_ADDRESS": 2, "PHONE_NUMBER": 1}},
}  # fmt: skip


def spans(environ: dict[str, str] | None = None, **body: Any) -> list[ReadableSpan]:
    event = Event("call_1.e", "call.end", END_US, "acme", "triage", "run_7", "draft", body=BODY | body)
    return SpanMaker(Resource({}), sampler_of(environ or {})).spans(event)


def context(span: ReadableSpan) -> tuple[int, int]:
    found = span.get_span_context()
    assert found is not None
    return found.trace_id, found.span_id


def parent_id(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def test_the_gateways_span_hangs_under_its_callers() -> None:
    server = spans()[0]
    assert (server.name, server.kind) == ("POST /v1/chat/completions", SpanKind.SERVER)
    assert context(server) == (int(TRACE, 16), int(SPAN, 16))
    assert parent_id(server) == int(PARENT, 16)
    assert (server.start_time, server.end_time) == ((END_US - 100_000) * 1000, END_US * 1000)


def test_it_says_who_called_under_which_policy_and_how_it_went() -> None:
    about = dict(spans()[0].attributes or {})
    expected = {
        "sluice.tenant": "acme", "sluice.automation": "triage", "sluice.run.id": "run_7", "sluice.step": "draft",
        "sluice.policy.name": "support", "sluice.verdict": "pass", "gen_ai.prompt.name": "draft@3",
        "http.response.status_code": 200, "sluice.entities.request": 3,
    }  # fmt: skip
    assert about.items() >= expected.items()


def test_each_try_is_a_client_span_and_the_last_one_carries_the_answer() -> None:
    first, second = [span for span in spans() if span.kind is SpanKind.CLIENT]
    assert (first.name, first.status.status_code) == ("chat m", StatusCode.ERROR)
    assert (second.name, second.status.status_code) == ("chat m", StatusCode.UNSET)
    assert "gen_ai.response.model" not in (first.attributes or {})
    expected = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "b", "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-2026", "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 6,
        "gen_ai.usage.output_tokens": 3, "gen_ai.usage.reasoning.output_tokens": 1,
        "gen_ai.response.time_to_first_chunk": 0.012,
    }  # fmt: skip
    assert dict(second.attributes or {}).items() >= expected.items()


def test_stages_and_tries_lie_inside_the_call_in_their_order() -> None:
    server, *children = spans()
    assert server.start_time is not None
    assert server.end_time is not None
    assert [span.name for span in children] == ["admit", "clear", "screen", "judge", "chat m", "chat m"]
    for child in children:
        assert parent_id(child) == int(SPAN, 16)
        assert child.start_time is not None
        assert child.end_time is not None
        assert server.start_time <= child.start_time <= child.end_time <= server.end_time


def test_the_same_call_gives_the_same_spans() -> None:
    assert [context(span) for span in spans()] == [context(span) for span in spans()]
    assert len({context(span) for span in spans()}) == len(spans())


def test_a_call_without_trace_ids_gets_a_trace_of_its_own() -> None:
    server, *children = spans(trace_id=None, span_id="zz", parent_span_id=None, stages_us={}, attempts=[])
    assert server.parent is None
    assert all(context(server))
    assert not children


def test_a_caller_that_does_not_sample_is_followed() -> None:
    assert not spans(trace_flags="00")
    assert spans(trace_flags="00", parent_span_id=None)
    assert spans({"OTEL_TRACES_SAMPLER": "always_on"}, trace_flags="00")


def test_a_refusal_is_an_answer_and_a_failure_is_an_error() -> None:
    assert spans(status=403, outcome="refused")[0].status.status_code is StatusCode.UNSET
    assert spans(status=502, outcome="error")[0].status.status_code is StatusCode.ERROR
    assert spans(status=None, outcome="interrupted")[0].status.status_code is StatusCode.ERROR


@given(st.dictionaries(st.sampled_from(sorted(BODY)), json_values), st.integers())
def test_whatever_a_record_holds_its_spans_can_be_encoded(body: dict[str, Any], ts_us: int) -> None:
    event = Event("call_1.e", "call.end", ts_us, "acme", body=BODY | body)
    encode_spans(SpanMaker(Resource({}), sampler_of({})).spans(event)).SerializeToString()
