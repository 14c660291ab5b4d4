"""Validating a file's values against a model, with problems that say where."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from policy.problems import Problem, Source, from_validation
from policy.schema import key_names
from policy.values import Block

_B = TypeVar("_B", bound=Block)


def validated(source: Source, model: type[_B], *formats: type[BaseModel]) -> tuple[_B | None, list[Problem]]:
    """Give the value or what is wrong; keys of `formats` are suggested for unknown ones."""
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        return None, from_validation(error, source.places, key_names(formats))
