"""Registered prompts as text: placeholders are replaced by a sandboxed template engine, once, and values never run."""

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Unrenderable(ValueError):
    """A template that cannot be used, or a variable that is missing."""


def render(text: str, variables: Mapping[str, str]) -> str:
    """Replace the placeholders of a template; what a value says is never read as a template.

    Raises:
        Unrenderable: a variable is missing, or the template is wrong.
    """
    try:
        return _compiled(text).render(variables)
    except TemplateError as error:
        raise Unrenderable(str(error)[:200]) from error


def check_template(text: str) -> str | None:
    """Say what is wrong with a template; None when nothing is."""
    try:
        _compiled(text)
    except TemplateError as error:
        return str(error)[:200]
    return None


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    return _environment().from_string(text)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
