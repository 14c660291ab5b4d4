"""Charts of the pages; one palette that colour-blind readers can tell apart (Okabe and Ito)."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from metrics.health.measures import Span

COLOURS = {
    "pass": "#009E73",
    "fallback": "#56B4E9",
    "hold": "#E69F00",
    "escalate": "#CC79A7",
    "block": "#D55E00",
    "refused": "#F0E442",
    "error": "#D55E00",
    "truncated": "#CC79A7",
    "interrupted": "#7A7A7A",
    "client_disconnected": "#B0B0B0",
}
SIDES = {"request": "#0072B2", "answer": "#56B4E9", "observed": "#B0B0B0"}
PLAIN, UPSTREAM = "#0072B2", "#B8C4CE"
SERIES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A7A7A", "#F0E442"]
LAYERS = {"orchestration": "#D55E00", "retrieval": "#E69F00", "prompt": "#0072B2", "unknown": "#B0B0B0"}
HEIGHT = 240
STAGES = ["admit", "bind", "clear", "choose", "invoke", "screen", "score", "judge", "act", "restore", "record"]
ROW = 28  # height of one row of a ranked chart: room for every label
AXIS = 60  # what the axis of a chart takes of its height
AROUND = 130  # what the legend and the axis of a chart take of its height
DAY_S = 86_400
_WHOLE = alt.Axis(tickMinStep=1)
_HOURS = alt.Axis(format="%H:%M", labelOverlap=True)
_DAYS = alt.Axis(tickCount=alt.TimeIntervalStep("day", 1), format="%d %b", labelOverlap=True)
NO_OVERLAP = alt.Axis(labelOverlap=False, labelLimit=240, labelFlush=False)


def over_time(
    data: pd.DataFrame, value: str, title: str, width_s: int, by: str | None = None, span: Span | None = None
) -> alt.Chart:
    """Return stacked bars of `value` per slice of `width_s` from `slice_ts`, coloured by a closed vocabulary."""
    data = data.groupby(["slice_ts", *([by] if by else [])], as_index=False)[value].sum()
    top = data.groupby("slice_ts")[value].cumsum()
    data = data.assign(
        slice_end=data["slice_ts"] + pd.Timedelta(seconds=width_s * 0.85), top=top, base=top - data[value]
    )
    tips = [
        alt.Tooltip("utcyearmonthdatehoursminutes(slice_ts):T", title="from (UTC)"),
        alt.Tooltip(f"{value}:Q", title=title, format=",.6~f"),
    ]
    chart = alt.Chart(data, height=HEIGHT, title=alt.Title(title, anchor="start", fontWeight="normal")).encode(
        x=alt.X("slice_ts:T", title=None, scale=_of(span), axis=_DAYS if width_s >= DAY_S else _HOURS),
        x2="slice_end:T",
        y=alt.Y("base:Q", title=None, axis=alt.Axis(format="$,~f" if value.endswith("_usd") else ",~r")),
        y2="top:Q",
        tooltip=tips if by is None else [*tips, alt.Tooltip(f"{by}:N")],
    )
    if by is None:
        return chart.mark_rect(color=PLAIN)
    names = sorted(data[by].dropna().unique())
    scale = alt.Scale(domain=names, range=[COLOURS.get(name, "#999999") for name in names])
    return chart.mark_rect().encode(
        color=alt.Color(f"{by}:N", scale=scale, legend=alt.Legend(orient="top", title=None))
    )


def _of(span: Span | None) -> alt.Scale:
    """Return the whole stretch of time as a scale, so that empty hours show."""
    if span is None:
        return alt.Scale(type="utc")
    return alt.Scale(type="utc", domain=[span.since_us / 1000, span.until_us / 1000])


def latency(data: pd.DataFrame) -> alt.LayerChart:
    """Return the median of each stage as a bar and its 95th percentile as a tick: `stage`, `p50_ms`, `p95_ms`."""
    base = alt.Chart(data, height=AXIS + ROW * max(4, len(data)))
    y = alt.Y("stage:N", sort=STAGES, title=None, axis=NO_OVERLAP)
    tips = [alt.Tooltip("stage:N"), *(alt.Tooltip(f"{p}:Q", format=",.3f") for p in ("p50_ms", "p95_ms", "p99_ms"))]
    colour = alt.condition("datum.stage == 'invoke'", alt.value(UPSTREAM), alt.value(PLAIN))
    scale = alt.Scale(type="symlog", constant=0.1)
    title = ["milliseconds (bar: median, tick: 95th percentile;", "grey: waiting for the model)"]
    axis = alt.Axis(values=[0, 0.1, 1, 10, 100, 1_000, 10_000, 100_000], format=",~r")
    x = alt.X("p50_ms:Q", title=title, scale=scale, axis=axis)
    bars = base.mark_bar().encode(x=x, y=y, color=colour, tooltip=tips)
    ticks = base.mark_tick(thickness=3, color="#D55E00", opacity=1).encode(
        x=alt.X("p95_ms:Q", scale=scale), y=y, tooltip=tips
    )
    return bars + ticks


def entities(data: pd.DataFrame) -> alt.Chart:
    """Return how often each kind was found, by side of the call."""
    scale = alt.Scale(domain=list(SIDES), range=list(SIDES.values()))
    return (
        alt.Chart(data, height=AROUND + ROW * data["kind"].nunique())
        .mark_bar()
        .encode(
            x=alt.X("n_found:Q", title="values found", axis=_WHOLE),
            y=alt.Y("kind:N", sort="-x", title=None, axis=NO_OVERLAP),
            color=alt.Color("side:N", scale=scale, legend=alt.Legend(orient="top", title=None)),
            tooltip=["kind:N", "side:N", alt.Tooltip("n_found:Q", title="values")],
        )
    )


def trend(data: pd.DataFrame, title: str, form: str = ",.2f", by: str | None = None) -> alt.LayerChart | alt.FacetChart:
    """Return `value` per `bucket` as a line with its points, and a band from `low` to `high` where there is one."""
    x = alt.X("bucket:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    tips = [
        alt.Tooltip("bucket:O"),
        *(alt.Tooltip(f"{name}:Q", format=form) for name in ("value", "low", "high")),
        alt.Tooltip("n:Q", format=","),
    ]
    y = alt.Y("value:Q", title=None, axis=alt.Axis(format=form))
    base = alt.Chart(data, height=HEIGHT, title=alt.Title(title, anchor="start", fontWeight="normal"))
    if by is not None:
        colour = alt.Color(f"{by}:N", scale=alt.Scale(range=SERIES), legend=alt.Legend(orient="top", title=None))
        line = base.mark_line(point=True).encode(x=x, y=y, color=colour, tooltip=[alt.Tooltip(f"{by}:N"), *tips])
        return alt.layer(line)
    line = base.mark_line(point=True, color=PLAIN).encode(x=x, y=y, tooltip=tips)
    band = base.mark_area(opacity=0.2, color=PLAIN).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    return alt.layer(band, line) if data["low"].notna().any() else alt.layer(line)


def stacked(data: pd.DataFrame, value: str, title: str, y: str, by: str, scale: alt.Scale | None = None) -> alt.Chart:
    """Return one bar for each `y`, made of its parts."""
    legend = alt.Legend(orient="top", title=None, columns=2)  # a phone's width holds two
    colour = alt.Color(f"{by}:N", scale=scale or alt.Scale(range=SERIES), legend=legend)
    return (
        alt.Chart(data, height=AROUND + ROW * data[y].nunique())
        .mark_bar()
        .encode(
            x=alt.X(f"sum({value}):Q", title=title, axis=_WHOLE if value == "runs" else alt.Axis()),
            y=alt.Y(f"{y}:N", sort="-x", title=None, axis=NO_OVERLAP),
            color=colour,
            tooltip=[alt.Tooltip(f"{y}:N"), alt.Tooltip(f"{by}:N"), alt.Tooltip(f"sum({value}):Q", format=",.4f")],
        )
    )


def waterfall(data: pd.DataFrame) -> alt.Chart:
    """Return one bar per stage of one call, in its order: `stage`, `start_ms`, `end_ms`."""
    colour = alt.condition("datum.stage == 'invoke'", alt.value(UPSTREAM), alt.value(PLAIN))
    tips = ["stage:N", alt.Tooltip("took_ms:Q", title="took (ms)", format=",.3f")]
    return (
        alt.Chart(data, height=AXIS + ROW * max(3, len(data)))
        .mark_bar(minBandSize=3)
        .encode(
            x=alt.X("start_ms:Q", title="milliseconds since the request arrived"),
            x2="end_ms:Q",
            y=alt.Y("stage:N", sort=STAGES, title=None, axis=NO_OVERLAP),
            color=colour,
            tooltip=tips,
        )
    )


def run_waterfall(data: pd.DataFrame) -> alt.LayerChart:
    """Return one bar per step and call of a run: `what`, `kind`, `start_ms`, `end_ms`, `took_ms`, `status`, `label`."""
    colour = alt.condition("datum.kind == 'call.end'", alt.value(UPSTREAM), alt.value(PLAIN))
    tips = ["what:N", "status:N", alt.Tooltip("took_ms:Q", title="took (ms)", format=",.1f")]
    title = ["milliseconds since the run began to work", "(grey: model calls within steps)"]
    x = alt.X("start_ms:Q", title=title)
    y = alt.Y("what:N", sort=None, title=None, axis=NO_OVERLAP)
    chart = alt.Chart(data, height=AXIS + ROW * max(3, len(data))).mark_bar(minBandSize=3)
    bars = chart.encode(x=x, x2="end_ms:Q", y=y, color=colour, tooltip=tips)
    labels = alt.Chart(data).mark_text(align="left", dx=4, color="gray").encode(x="end_ms:Q", y=y, text="label:N")
    return bars + labels


def reliability(data: pd.DataFrame) -> alt.LayerChart:
    """Return observed against predicted shares, one point for each bin: `predicted`, `observed`, `n`, `low`, `high`."""
    lowest = float(min(data["predicted"].min(), data["observed"].min())) // 0.1 / 10
    scale = alt.Scale(domain=[lowest, 1.0], nice=False)
    line = pd.DataFrame({"predicted": [lowest, 1.0], "observed": [lowest, 1.0]})
    x = alt.X("predicted:Q", title="predicted probability of being correct", scale=scale)
    y = alt.Y("observed:Q", title="share that was correct", scale=scale)
    right = alt.Chart(line, height=HEIGHT + 60).mark_line(color=UPSTREAM, strokeDash=[4, 4]).encode(x=x, y=y)
    tips = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("low", "high", "predicted", "observed")]
    size = alt.Size("n:Q", legend=None, scale=alt.Scale(range=[60, 240], zero=True))
    points = alt.Chart(data).mark_circle(color=PLAIN, opacity=0.9).encode(x=x, y=y, size=size, tooltip=[*tips, "n:Q"])
    return right + points


def wealth(path: Sequence[float], bound: float) -> alt.LayerChart:
    """Return the wealth of the bet against a certificate after each audit, and the bound at which it is withdrawn."""
    data = pd.DataFrame({"audit": range(1, len(path) + 1), "wealth": [min(max(each, 1e-3), 1e4) for each in path]})
    y = alt.Y("wealth:Q", title="wealth of the bet (logarithmic)", scale=alt.Scale(type="log"))
    line = alt.Chart(data, height=HEIGHT + 60).mark_line(color=PLAIN).encode(
        x=alt.X("audit:Q", title="audits of what passed"),
        y=y,
        tooltip=["audit:Q", alt.Tooltip("wealth:Q", format=".3g")],
    )  # fmt: skip
    rule = alt.Chart(pd.DataFrame({"wealth": [bound]})).mark_rule(color=COLOURS["block"], strokeDash=[4, 4]).encode(y=y)
    return line + rule
