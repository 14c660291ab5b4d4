"""Prompts are rendered once, in a sandbox: a value is never a template, and a template reaches nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.problems import PolicyErrors
from policy.prompt_files import read_prompt
from policy.render import Unrenderable, placeholders, render

HEAD = b"---\nid: draft\nversion: 1\nowner: o@example.com\nvariables: [ticket]\n---\n"


@given(value=st.text(max_size=40))
def test_a_value_stands_in_the_text_as_it_is(value: str) -> None:
    assert render("Ticket: {{ ticket }}!", {"ticket": value}) == f"Ticket: {value}!"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ticket.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ missing }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ ticket.format(1) }",
    ],
)
def test_what_a_template_must_not_do_ends_in_an_error(text: str) -> None:
    with pytest.raises(Unrenderable):
        render(text, {"ticket": "x"})


def test_variables_are_found_in_filters_and_conditions() -> None:
    assert placeholders("{{ a | upper }}{% if b %}{{ c }}{% endif %}") == {"a", "b", "c"}


def test_a_broken_template_is_a_problem_of_its_file() -> None:
    with pytest.raises(PolicyErrors, match=r"prompts/draft/v1\.md:1:1: the text is no template \(line 2 of the text"):
        read_prompt("prompts/draft/v1.md", HEAD + b"Hello\n{{ ticket }\n")
