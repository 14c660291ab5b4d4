"""Whether an answer has the shape that was asked for: JSON Schema, declared rules and tool arguments."""

from functools import lru_cache
from math import isnan
from typing import Any, Final

import jsonschema_rs
import orjson

from gateway.scorers.base import Asked, Seen, Signal
from gateway.wire.endpoint import Json
from gateway.wire.said import Wanted
from policy.blocks_output import ExpressionScorer, SchemaScorer
from policy.conditions import Undecided, Values, condition

# Schemas are callers' words: nothing is fetched for them, and their patterns run in linear time.
_PATTERNS: Final = jsonschema_rs.RegexOptions()


def schema(scorer: SchemaScorer, seen: Seen, asked: Asked) -> Signal:
    """Score 1 if the answer fits its schema, its tools' parameters and all rules, else 0."""
    wanted = asked.schema
    checks: list[tuple[str, bool | None]] = []
    if wanted is not None and not seen.calls:
        checks.append(("schema", fits(wanted, seen.value)))
    checks += [("tool_arguments", _arguments_fit(asked.tools, call.name, call.arguments)) for call in seen.calls]
    values = _values(seen, asked.about)
    checks += [(f"rules[{index}]", _holds(rule, values)) for index, rule in enumerate(scorer.rules)]
    known = [(name, well) for name, well in checks if well is not None]
    if not known:
        return Signal("schema", None, "nothing_to_check")
    failed = next((name for name, well in known if not well), None)
    return Signal("schema", 0.0 if failed else 1.0, failed)


def expression(scorer: ExpressionScorer, seen: Seen, about: Json) -> Signal:
    """Score by a CEL expression over the answer's fields; a value outside of 0..1 counts as the nearer end."""
    values = _values(seen, about)
    try:
        value = condition(scorer.expression, "score").value(values) if values is not None else None
    except Undecided:
        value = None
    if value is None or isnan(value):
        return Signal("expression", None, "undecided")
    return Signal("expression", min(1.0, max(0.0, float(value))))


def fits(wanted: Json, value: Any) -> bool | None:
    """Say whether a value fits a schema; None where the schema is none."""
    validator = _compiled(orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS))
    return None if validator is None else bool(validator.is_valid(value))


def unfit(wanted: Wanted, text: str) -> str | None:
    """Say in which way a text is not the JSON that was asked for; None where it is. No value is named."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"the text is no JSON (line {error.lineno}, column {error.colno})"
    if wanted.schema is None:
        return None if isinstance(value, dict) else "the text is no JSON object"
    validator = _compiled(orjson.dumps(wanted.schema, option=orjson.OPT_SORT_KEYS))
    for found in validator.iter_errors(value) if validator is not None else ():
        where, rule = "/".join(map(str, found.instance_path)), found.schema_path[-1]
        return f"the text does not fit its schema: {where or 'the whole'} breaks `{rule}`"
    return None


@lru_cache(maxsize=256)
def _compiled(raw: bytes) -> Any:
    try:
        return jsonschema_rs.validator_for(raw.decode(), pattern_options=_PATTERNS, offline=True)
    except ValueError:
        return None


def _arguments_fit(tools: Any, name: str, arguments: Json | None) -> bool | None:
    for tool in tools if isinstance(tools, list) else ():
        inner = tool.get("function") if isinstance(tool.get("function"), dict) else tool
        if inner.get("name") == name and isinstance(inner.get("parameters"), dict):
            return arguments is not None and fits(inner["parameters"], arguments)
    return None


def _values(seen: Seen, about: Json) -> Values | None:
    answer = seen.value if isinstance(seen.value, dict) else {}
    try:
        return Values({"answer": answer, "text": seen.own, "request": about})
    except Undecided:
        return None


def _holds(rule: str, values: Values | None) -> bool:
    """Say whether a rule is met; one that cannot be decided is not."""
    try:
        return values is not None and condition(rule, "answer").holds(values)
    except Undecided:
        return False
