"""The recorder's program."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import uvicorn

from metrics.health.questions import all_questions
from metrics.health.review.serve import add_review
from metrics.proof.anchor import Anchorage, anchors_of
from metrics.proof.auditor import Auditor
from metrics.proof.bundle import Maker
from metrics.proof.exports import Exports, add_exports
from metrics.proof.retainer import Retainer
from metrics.proof.retention_service import add_retention
from metrics.proof.signer import Signer
from metrics.record.ids import utc_us
from metrics.record.otel import Telemetry
from metrics.record.prometheus import add_metrics
from metrics.record.recorder import Recorder, RecorderRunningError
from metrics.record.service import Service, create_app
from metrics.server import Server


def run(data: Path, host: str, port: int, environ: Mapping[str, str] | None = None) -> None:
    """Run the recorder until SIGTERM or SIGINT.

    Raises `RecorderRunningError` when another recorder works on this folder, and `SystemExit` when the port is taken.
    """
    environ = os.environ if environ is None else environ
    anchors = Anchorage(anchors_of(environ.get("SLUICE_ANCHORS", ""), data), utc_us)
    recorder = Recorder(data, environ, audit=lambda master: Auditor(data, Signer(master), utc_us, anchors))
    policies = Path(environ.get("SLUICE_POLICIES", "policies"))
    exports = Exports(recorder, Maker(data, recorder.door.cursor, Signer(recorder.master), policies))
    telemetry = Telemetry(recorder, os.environ)  # the OTEL_* variables, which the SDK reads there as well
    gc.freeze()  # what stands at the start stays, and batches of records make many objects that live for a moment
    gc.set_threshold(100_000, 50, 50)
    recorder.start()
    telemetry.start()
    exports.start()
    try:
        service = Service(recorder, questions=all_questions(recorder.zone))
        app = create_app(service)
        add_exports(app, service, exports)
        add_review(app, service)
        add_metrics(app, telemetry.families, service.grant)
        add_retention(app, Retainer(recorder), service.grant)
        config = uvicorn.Config(app, host=host, port=port, log_level="warning", lifespan="off", date_header=False)
        Server(config).run()
    finally:
        exports.close()
        recorder.close()
        telemetry.close()


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("sluice-data"), help="The data folder.")
@click.option("--host", default="127.0.0.1")
@click.option("--port", default=8081)
def main(data: Path, host: str, port: int) -> None:
    """Keep the ledger of a data folder and answer questions about it."""
    try:
        run(data, host, port)
    except RecorderRunningError as problem:
        click.echo(str(problem), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
