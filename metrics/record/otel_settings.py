"""OpenTelemetry's own environment variables, as far as Sluice follows them; without an endpoint nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_HTTP: Final = "http/protobuf"
_RATIO: Final = "traceidratio"
_ALL: Final = 1 << 64

Sampler = Callable[[int, int | None], bool]


class TelemetryError(ValueError):
    """A variable has a value that cannot be followed; the sentence names it."""


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Where telemetry goes; an address that is None is not sent to. Headers, TLS and time-outs the SDK reads itself."""

    traces: str | None
    metrics: str | None
    every_s: float = 60.0
    sampler: Sampler = lambda _trace, flags: flags is None or bool(flags & 1)

    @property
    def on(self) -> bool:
        """Say whether anything is sent."""
        return bool(self.traces or self.metrics)


def otlp_settings(environ: Mapping[str, str]) -> OtlpSettings:
    """Read the variables. Raises `TelemetryError`."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return OtlpSettings(None, None)
    return OtlpSettings(
        _address(environ, "TRACES"), _address(environ, "METRICS"), _interval_s(environ), sampler_of(environ)
    )


def sampler_of(environ: Mapping[str, str]) -> Sampler:
    """Return who decides which traces are sent: `parentbased_always_on` unless OTEL_TRACES_SAMPLER says otherwise.

    A sampler is given the trace's id and the flags that came with the request, None where none came.
    """
    name = environ.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    rule = name.removeprefix("parentbased_")
    if rule not in ("always_on", "always_off", _RATIO):
        raise TelemetryError(f"OTEL_TRACES_SAMPLER is {name!r}; Sluice knows always_on, always_off, traceidratio")
    share = _share(environ) if rule == _RATIO else float(rule == "always_on")
    limit, follows = round(share * _ALL), name != rule

    def sampled(trace_id: int, flags: int | None) -> bool:
        return bool(flags & 1) if follows and flags is not None else trace_id % _ALL < limit

    return sampled


def _address(environ: Mapping[str, str], signal: str) -> str | None:
    own, base = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"), environ.get(_ENDPOINT)
    if not (own or base) or environ.get(f"OTEL_{signal}_EXPORTER", "otlp") != "otlp":
        return None
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environ.get(name, _HTTP) != _HTTP:
            raise TelemetryError(f"{name} is {environ[name]!r}; Sluice sends {_HTTP} (a collector's port 4318)")
    return own or f"{(base or '').removesuffix('/')}/v1/{signal.lower()}"


def _interval_s(environ: Mapping[str, str]) -> float:
    name = "OTEL_METRIC_EXPORT_INTERVAL"
    text = environ.get(name) or "60000"
    if not text.isdigit() or not int(text):
        raise TelemetryError(f"{name} is {text!r}; it must be a number of milliseconds")
    return int(text) / 1000


def _share(environ: Mapping[str, str]) -> float:
    name = "OTEL_TRACES_SAMPLER_ARG"
    try:
        share = float(environ.get(name) or "1")
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise TelemetryError(f"{name} is {environ[name]!r}; it must be a share from 0 to 1")
    return share
