"""Telemetry of one recorder: what /metrics shows and, where OTEL_* variables name a collector, what is sent to it."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
from collections.abc import Mapping
from typing import Any, Final

from metrics.record.otel_gauges import machine
from metrics.record.otel_health import WeekGauges
from metrics.record.otel_instruments import Family
from metrics.record.otel_settings import TelemetryError, otlp_settings
from metrics.record.recorder import Recorder

_LOG: Final = logging.getLogger("sluice.otlp")


class Telemetry:
    """Starts nothing and imports no OpenTelemetry while no collector is named."""

    def __init__(self, recorder: Recorder, environ: Mapping[str, str]) -> None:
        self._recorder, self._week = recorder, WeekGauges(recorder)
        self._exporter = self._open(environ)

    def families(self) -> list[Family]:
        """Return every family of this machine as it stands now."""
        sending = self._exporter.families() if self._exporter else []
        return [*self._recorder.counters.meters.families(), *machine(self._recorder), *self._week.families(), *sending]

    def start(self) -> None:
        """Begin sending, if there is somewhere to send to."""
        if self._exporter:
            self._exporter.start()

    def close(self) -> None:
        """Stop sending within a few seconds, whatever the collector does."""
        if self._exporter:
            self._exporter.close()

    def _open(self, environ: Mapping[str, str]) -> Any:
        """Make the exporter. A variable that cannot be followed is said and turns sending off: records come first."""
        try:
            settings = otlp_settings(environ)
        except TelemetryError as problem:
            _LOG.error("no telemetry is sent: %s", problem)
            return None
        if not settings.on:
            return None
        state, order = self._recorder.state, self._recorder.status()["order_seq"]
        module = importlib.import_module("metrics.record.otel_export")  # some 30 MB that most recorders do without
        version = importlib.metadata.version("sluice")
        return module.exporter(
            self._recorder.data, settings, lambda: max(state.progress.seq, order), self.families, version
        )
