"""Reading registered prompts (`prompts/NAME/vN.md`): a head in YAML between two lines, then the text."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from policy.files import MAX_BYTES, RawFile, read_below, read_each
from policy.problems import PolicyErrors, Pos, Problem, Source, near, problem
from policy.prompts import Key, Prompt, PromptHead
from policy.render import Unrenderable, placeholders
from policy.validation import validated
from policy.yaml_reader import read_yaml

FOLDER = "prompts"
_FILE = re.compile(r"v([1-9][0-9]{0,5})\.md")
_HEAD = re.compile(rb"---\r?\n(.*?)^---\r?\n", re.DOTALL | re.MULTILINE)


def read_prompts(directory: Path) -> tuple[dict[Key, Prompt], list[Problem]]:
    """Read the registry of a policy folder."""
    files, problems = read_below(directory, FOLDER, ".md")
    return {Key(each.id, each.version): each for each in read_each(files, problems, _prompt)}, problems


def _prompt(file: RawFile) -> Prompt:
    return read_prompt(file.name, file.raw)


def read_prompt(file: str, raw: bytes) -> Prompt:
    """Read one prompt file; `PolicyErrors` says where and what to do."""
    if len(raw) > MAX_BYTES:
        raise PolicyErrors([problem(Pos(file, 1, 1), (), f"larger than {MAX_BYTES} bytes; shorten it")])
    found = _HEAD.match(raw)
    if found is None:
        raise PolicyErrors([problem(Pos(file, 1, 1), (), "begin with a head between two `---` lines; add it")])
    # The first line stays as an empty one, so that places in the head are places in the file.
    source = read_yaml(file, b"\n" + found[1])
    head, wrong = validated(source, PromptHead, PromptHead)
    if head is None:
        raise PolicyErrors(wrong)
    try:
        text = raw[found.end() :].decode()
    except UnicodeDecodeError as error:
        raise PolicyErrors([problem(Pos(file, 1, 1), (), "not UTF-8 text; save the file as UTF-8")]) from error
    if misplaced := list(_misplaced(file, head, text, source)):
        raise PolicyErrors(misplaced)
    return Prompt(**dict(head), text=text, sha256=hashlib.sha256(raw).hexdigest())


def _misplaced(file: str, head: PromptHead, text: str, source: Source) -> Iterator[Problem]:
    folder, _, name = file.removeprefix(f"{FOLDER}/").rpartition("/")
    number = _FILE.fullmatch(name)
    if folder != head.id:
        yield near(source.places, ("id",), f"the folder is called `{folder}`; call both the same")
    if number is None or int(number[1]) != head.version:
        yield near(source.places, ("version",), f"the file is called `{name}`; call it v{head.version}.md")
    try:
        used = placeholders(text)
    except Unrenderable as error:
        yield problem(Pos(file, 1, 1), (), f"the text is no template ({error}); correct it")
        return
    for variable in sorted(used - set(head.variables)):
        yield near(source.places, ("variables",), f"the text uses `{variable}`; add it to the variables")
    for index, variable in enumerate(head.variables):
        if variable not in used:
            yield near(source.places, ("variables", index), "the text does not use this variable; remove it")
