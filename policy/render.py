"""Registered prompts as text: placeholders are replaced by a sandboxed template engine, once, and values never run."""

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
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
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise Unrenderable(str(error)[:200]) from error


def placeholders(text: str) -> frozenset[str]:
    """List the variables that a template uses.

    Raises:
        Unrenderable: it is no template; the text says what is wrong and in which of its lines.
    """
    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(text)))
    except TemplateSyntaxError as error:
        raise Unrenderable(f"line {error.lineno} of the text: {(error.message or 'unreadable')[:200]}") from error


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    return _environment().from_string(text)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
