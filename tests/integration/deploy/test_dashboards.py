"""Every query of the Grafana dashboard and of the alerts names metrics and labels that a recorder shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from ruamel.yaml import YAML

from automations.worker.numbers import prometheus, queue_now
from metrics.record.otel_export import Exporter, Senders
from metrics.record.otel_gauges import machine
from metrics.record.otel_instruments import HISTOGRAM, Family
from metrics.record.otel_meters import Meters
from metrics.record.otel_settings import otlp_settings
from metrics.record.otel_spans import SpanMaker
from metrics.record.recorder import Recorder

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "sluice.json").read_text("utf-8"))
ALERTS: dict[str, Any] = YAML(typ="safe").load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))
NAME = re.compile(r"\b((?:sluice|gen_ai_client)_[a-z_]+)\b")


# What the automations' worker shows at its own /metrics.
OF_THE_WORKER = {
    name: set[str]() for name in re.findall(r"^# TYPE (\w+)", prometheus(queue_now([], (0, 0), 0), 0, 0), re.MULTILINE)
} | {"sluice_queue_runs": {"automation", "state"}}


def queries() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    variables = [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    return [*panels, *variables, *(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])]


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Family]]:
    """Every family that a recorder can show."""
    data = tmp_path_factory.mktemp("data")
    recorder = Recorder(data, {})
    maker = SpanMaker(Resource({}), otlp_settings({}).sampler)
    sending = Exporter(data, Senders(None, None), maker, lambda: 0, lambda: [])
    yield [*Meters().families(), *machine(recorder), *sending.families()]
    recorder.close()


def shown(families: list[Family]) -> dict[str, set[str]]:
    """Return the names of series and the labels of each."""
    found: dict[str, set[str]] = {}
    for family in families:
        labels = {label.replace(".", "_") for label in family.spec.labels}
        name = family.spec.prometheus
        if family.spec.kind == HISTOGRAM:
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[name] = labels
    return found


@pytest.mark.parametrize("query", queries())
def test_a_query_names_metrics_and_labels_that_exist(query: str, families: list[Family]) -> None:
    known = shown(families) | OF_THE_WORKER
    labels = set().union(*known.values())
    used = set(NAME.findall(query)) - labels
    assert used <= set(known)
    for name, selector in re.findall(r"([a-z_]+)\{([^}]*)\}", query):
        if name != "up":  # Prometheus' own
            assert set(re.findall(r"(\w+)(?:=~|!=|!~|=)", selector)) <= known[name]
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert set(grouped.split(", ")) <= set().union(*(known[name] for name in used))
    assert query.count("(") == query.count(")")


def test_legends_show_labels_that_their_queries_keep() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            kept = {name for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for name in group.split(", ")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_panels_do_not_overlap_and_have_names_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_family_of_prometheus_is_explained(families: list[Family]) -> None:
    page = (ROOT / "docs" / "reference" / "telemetry.md").read_text("utf-8")
    assert not [family.spec.prometheus for family in families if f"`{family.spec.prometheus}`" not in page]
    assert not [
        label for family in families for label in family.spec.labels if f"`{label.replace('.', '_')}`" not in page
    ]
