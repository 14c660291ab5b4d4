"""Small drawings as SVG text, in colours that colour-blind readers can tell apart, with the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from metrics.health.review.words import shown

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 240, 118, 8, 24, 20
_ROOM = 64  # for the last value, which stands right of the line
_LINE, _BAND, _BOUND, _INK = "#0072B2", "#56B4E9", "#D55E00", "#767676"
Points = Sequence[tuple[str, Mapping[str, Any] | None]]


def trend(title: str, objective: str, points: Points, bound: float | None) -> str:
    """Draw a measure over weeks with its interval, and its bound as a dashed line."""
    values = [v for _, f in points if f for v in (f["value"], f["low"], f["high"]) if v is not None]
    values += [] if bound is None else [bound]
    low, high = min(values), max(values)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0

    def y(value: float) -> float:
        share = (value - low + pad) / (high - low + 2 * pad)
        return float(round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1))

    step = (_WIDTH - 2 * _LEFT - _ROOM) / max(1, len(points) - 1)
    placed = [(round(_LEFT + at * step, 1), figure) for at, (_, figure) in enumerate(points) if figure]
    parts = [*_intervals(placed, y), *_path(placed, y), *_bound(bound, y)]
    last = placed[-1]
    label = shown(objective, last[1]["value"])
    parts.append(_text(last[0] + 8, y(last[1]["value"]) + 4, label, "font-weight='600'"))
    ends = ((points[0][0], _LEFT), (points[-1][0], _LEFT + step * (len(points) - 1) - 34))
    parts += [_text(round(x, 1), _HEIGHT - 5, name, f"fill='{_INK}'") for name, x in ends]
    named = escape(title.partition(": ")[2] or title)
    asked = "" if bound is None else f"<tspan fill='{_BOUND}'>  target {escape(shown(objective, bound))}</tspan>"
    head = f"<text x='{_LEFT}' y='13'><tspan font-weight='600'>{named}</tspan>{asked}</text>"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' width='{_WIDTH}' height='{_HEIGHT}' "
        f"role='img' font-family='system-ui, sans-serif' font-size='11' fill='currentColor'>"
        f"<title>{escape(words(title, objective, points))}</title>{head}{''.join(parts)}</svg>"
    )


def words(title: str, objective: str, points: Points) -> str:
    """Say what the drawing shows."""
    told = ", ".join(f"{week} {shown(objective, figure['value'])}" for week, figure in points if figure)
    return f"{title}: {told}."


def _intervals(placed: Sequence[tuple[float, Mapping[str, Any]]], y: Any) -> list[str]:
    return [
        f"<line x1='{x}' x2='{x}' y1='{y(f['low'])}' y2='{y(f['high'])}' stroke='{_BAND}' stroke-width='5'/>"
        for x, f in placed
        if f["low"] is not None
    ]


def _path(placed: Sequence[tuple[float, Mapping[str, Any]]], y: Any) -> list[str]:
    line = " ".join(f"{x},{y(f['value'])}" for x, f in placed)
    dots = [f"<circle cx='{x}' cy='{y(f['value'])}' r='2.6' fill='{_LINE}'/>" for x, f in placed]
    return [f"<polyline points='{line}' fill='none' stroke='{_LINE}' stroke-width='1.8'/>", *dots]


def _bound(bound: float | None, y: Any) -> list[str]:
    if bound is None:
        return []
    ends = f"x1='{_LEFT}' x2='{_WIDTH - _LEFT - _ROOM}' y1='{y(bound)}' y2='{y(bound)}'"
    return [f"<line {ends} stroke='{_BOUND}' stroke-dasharray='4 3' stroke-width='1.2'/>"]


def _text(x: float, y: float, text: str, style: str) -> str:
    return f"<text x='{x}' y='{y}' {style}>{escape(text)}</text>"
