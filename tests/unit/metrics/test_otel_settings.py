"""OpenTelemetry's own variables decide whether anything is sent, where to, and which traces."""

import pytest

from metrics.record.otel_settings import TelemetryError, otlp_settings, sampler_of

BASE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "sluice"},
        BASE | {"OTEL_SDK_DISABLED": "true"},
        BASE | {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_nothing_is_sent_unless_a_collector_is_named(environ: dict[str, str]) -> None:
    assert not otlp_settings(environ).on


def test_addresses_follow_from_the_base_or_stand_alone() -> None:
    assert otlp_settings(BASE).traces == "http://collector:4318/v1/traces"
    assert otlp_settings(BASE).metrics == "http://collector:4318/v1/metrics"
    alone = otlp_settings({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://example.com/t"})
    assert (alone.traces, alone.metrics) == ("https://example.com/t", None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_METRIC_EXPORT_INTERVAL": "soon"},
        {"OTEL_TRACES_SAMPLER": "jaeger_remote"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"},
    ],
)
def test_what_cannot_be_followed_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(TelemetryError, match="|".join(wrong)):
        otlp_settings(BASE | wrong)


def test_the_callers_decision_is_followed_by_default() -> None:
    sampled = sampler_of({})
    assert sampled(1, None)
    assert sampled(1, 1)
    assert not sampled(1, 0)


def test_a_ratio_decides_by_the_traces_id_so_that_every_program_decides_alike() -> None:
    sampled = sampler_of({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"})
    assert sampled(1 << 61, None)
    assert not sampled(3 << 62, None)
    assert sampled(3 << 62, 1)
    assert not sampler_of({"OTEL_TRACES_SAMPLER": "always_off"})(1, 1)
