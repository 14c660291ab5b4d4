"""Structured answers are valid for every schema of the supported subset, and filled from the text."""

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from demo.provider import schema
from demo.provider.errors import WireError
from demo.provider.fields import Form
from demo.provider.model import Model
from demo.provider.writer import Sampling, Writer
from tests.unit.demo.conftest import about, trained

LETTER = (
    "Hi, you have charged my card twice for order 8812, 49.90 EUR each, on 2026-02-14. I want my money back today!\n"
    "Regards, Jane Miller\njane.miller@example.com"
)
NAMES = st.sampled_from(
    [
        *("category", "priority", "is_urgent", "amount", "order_number", "customer_email", "summary", "reply", "score"),
        *("confidence", "tags", "nextSteps", "x", "contact", "Größe", 'a "quoted" name'),
    ]
)


def bounded(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    low = st.integers(-50, 200)
    return st.builds(
        lambda least, width, step, exclusive: {
            "type": kind,
            ("exclusiveMinimum" if exclusive else "minimum"): least,
            "maximum": least + width,
            **({"multipleOf": step} if step and width > 2 * step else {}),
        },
        low,
        st.integers(2, 300),
        st.sampled_from([0, 1, 5]),
        st.booleans(),
    )


LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"type": "string"}),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 30),
        st.integers(0, 50),
    ),
    st.just({"type": ["string", "null"], "description": "the customer's e-mail address"}),
    st.sampled_from(["date", "date-time", "email", "uuid"]).map(lambda name: {"type": "string", "format": name}),
    st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True).map(
        lambda values: {"type": "string", "enum": values}
    ),
    st.just({"enum": [1, "two", None, True]}),
    st.just({"const": {"a": [1]}}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": "number"}),
    st.just({"type": ["integer", "null"]}),
    bounded("integer"),
    bounded("number"),
)


def grown(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(NAMES, children, max_size=4).flatmap(
        lambda fields: st.sets(st.sampled_from(sorted(fields)) if fields else st.nothing()).map(
            lambda required: {
                "type": "object",
                "properties": fields,
                "required": sorted(required),
                "additionalProperties": False,
            }
        )
    )
    arrays = st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        children,
        st.integers(0, 3),
        st.integers(0, 3),
    )
    optional = children.map(lambda child: {"anyOf": [child, {"type": "null"}]})
    return st.one_of(objects, arrays, optional)


SCHEMAS = st.recursive(LEAVES, grown, max_leaves=8)


def fill(large: Model, root: dict[str, Any], text: str, seed: int = 0, temperature: float = 1.0) -> Any:
    writer = Writer(random.Random(seed), Sampling(temperature), large.language.following, slip_rate=0.01)
    Form(writer, schema.load(root), about(large, text)).fill()
    return json.loads(writer.text)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    SCHEMAS, st.sampled_from([LETTER, "", "ok", 'Ünïcode \\ " text\u2028 5.', "12 34 56 7,000 1e9"]), st.integers(0, 99)
)
def test_every_answer_is_valid(root: dict[str, Any], text: str, seed: int) -> None:
    Draft202012Validator.check_schema(root)
    Draft202012Validator(root).validate(fill(trained()["simulated-large"], root, text, seed))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_definitions_and_recursion_end(seed: int) -> None:
    root = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/node"}, "again": {"$ref": "#"}},
        "required": ["tree"],
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "parent": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["name", "children", "parent"],
            }
        },
    }
    Draft202012Validator(root).validate(fill(trained()["simulated-large"], root, LETTER, seed))


@pytest.mark.parametrize("scrap", ["1", "A", "a.", "\n", "a: ", "a@", "[", "Aa ", " ", "- a\n", "1 "])
def test_long_odd_texts_are_answered_too(large: Model, scrap: str) -> None:
    fields = {"email": {"type": "string"}, "company": {"type": ["string", "null"]}, "amount": {"type": "number"}}
    root = {"type": "object", "properties": fields, "required": list(fields)}
    Draft202012Validator(root).validate(fill(large, root, scrap * (20_000 // len(scrap))))


def test_fields_are_filled_from_the_text(large: Model) -> None:
    fields = {
        "category": {"type": "string", "enum": ["billing", "technical", "delivery"]},
        "order_number": {"type": "string"},
        "customer_email": {"type": "string", "format": "email"},
        "contact_name": {"type": ["string", "null"]},
        "amount": {"type": "number"},
        "date": {"type": "string", "format": "date"},
        "phone": {"type": ["string", "null"]},
        "wants_refund": {"type": "boolean"},
    }
    root = {"type": "object", "properties": fields, "required": list(fields)}
    assert fill(large, root, LETTER, temperature=0.0) == {
        "category": "billing",
        "order_number": "8812",
        "customer_email": "jane.miller@example.com",
        "contact_name": "Jane Miller",
        "amount": 49.9,
        "date": "2026-02-14",
        "phone": None,
        "wants_refund": True,
    }


def test_lines_of_a_record_are_read_by_their_name(large: Model) -> None:
    record = "Company: Fjordlaks AS\nWebsite: fjordlaks.example\nCity: Ålesund\nNotes: 340 employees since 1952"
    fields = {
        "company": {"type": "string"},
        "city": {"type": "string"},
        "employees": {"type": "integer", "description": "number of employees"},
    }
    root = {"type": "object", "properties": fields, "required": list(fields)}
    found = fill(large, root, record, temperature=0.0)
    assert found == {"company": "Fjordlaks AS", "city": "Ålesund", "employees": 340}


def test_tags_that_stand_for_values_are_copied_as_they_are(large: Model) -> None:
    fields = {"email": {"type": "string"}, "contact_name": {"type": "string"}}
    root = {"type": "object", "properties": fields, "required": list(fields)}
    text = "I am PERSON_1_x7k2, write to [EMAIL_2]."
    assert fill(large, root, text, temperature=0.0) == {"email": "[EMAIL_2]", "contact_name": "PERSON_1_x7k2"}


@pytest.mark.parametrize(
    "root",
    [
        {"type": "string", "pattern": "^a$"},
        {"oneOf": [{"type": "string"}]},
        {"type": "fancy"},
        {"properties": {"a": {"not": {}}}},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema.json"},
        {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "boolean"}},
        {"type": "object", "properties": {"again": {"$ref": "#"}}, "required": ["again"]},
        {"$ref": "#"},
        [],
    ],
)
def test_a_schema_that_cannot_be_served_is_refused(large: Model, root: Any) -> None:
    with pytest.raises(WireError) as refused:
        fill(large, root, LETTER)
    assert refused.value.status == 400
    assert refused.value.code == "invalid_json_schema"
