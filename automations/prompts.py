"""Registered prompts as the model gets them: the prompt's text as orders, a stranger's words apart from it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from automations.flow.signals import Fatal

MOST_CHARS: Final = 20_000
_MODEL: Final = "gpt-5.4-mini"


class Shape(BaseModel):
    """What a model is asked to answer: every field required, nothing else, checked before it is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def model_name(environ: Mapping[str, str] = os.environ) -> str:
    """Give the model that automations ask for: `AUTOMATION_MODEL`, else a small one. Routing may choose another."""
    return environ.get("AUTOMATION_MODEL") or _MODEL


def messages(prompt: str, words: str, environ: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """Give the messages of a call: the text of `name@version` as orders, and `words` as what they are about."""
    return [
        {"role": "system", "content": prompt_text(prompt, environ)},
        {"role": "user", "content": words[:MOST_CHARS]},
    ]


def prompt_text(prompt: str, environ: Mapping[str, str] = os.environ) -> str:
    """Read `prompts/NAME/vVERSION.md` of the policy folder, without its head.

    Raises:
        Fatal: there is no such file.
    """
    name, _, version = prompt.partition("@")
    path = Path(environ.get("SLUICE_POLICIES") or "policies") / "prompts" / name / f"v{version}.md"
    try:
        _, _, text = path.read_text(encoding="utf-8").split("---\n", 2)
    except (OSError, ValueError) as error:
        raise Fatal(f"the prompt {prompt} is not in the policy folder") from error
    return text.strip()
