"""Build the gazetteer from Faker (MIT), libphonenumber's place names (Apache-2.0) and the lists beside this file."""

import argparse
import gzip
import importlib
import pkgutil
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import faker.providers.address as addresses
import faker.providers.person as people
from phonenumbers.geodata import GEOCODE_DATA

from redaction.names.features import lowered
from redaction.names.gazetteer import FLAGS, PLAIN
from redaction.names.tokens import tokenize
from tools.names.code import code_files
from tools.names.corpus import CORPORA, labels, read_rows

_LISTS = Path(__file__).parent / "lists"
_PLACES = ("cities", "city_names", "communities", "cantons")
_LARGE = ("countries", "states", "state_names", "provinces", "regions", "departments", "counties")
_OWN = {"nationalities": "N", "titles": "T", "company_forms": "O", "street_words": "S", "technical": "X"}
_LOWER_WORD = re.compile(r"\b[a-z]{3,}\b")
_STRONGER = (("F", "f"), ("L", "l"), ("K", "C"), ("K", "c"), ("C", "c"), ("G", "g"))
# Scripts whose names are listed: Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari.
_SCRIPTS = ((0, 0x24F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0x97F), (0x1E00, 0x1EFF), (0x200C, 0x200D))
_UNSPACED = re.compile(r"[\u3040-\u309f\u3400-\u9fff\uac00-\ud7a3]")
# Words that some list has as a name but that are far more often plain words.
_PLAIN = """
    the and for you are was his her our your their not but all any can had has have him how its may new now old
    see two way who did get let put say she too use that this with from they will would there what about which
    when make like time just know take into year good some could them other than then look only come over think
    also back after work first well even want because these give most de la le van von del der den el al da di
    du no so on in an at as be by do go he if is it me my of or to up us we am
"""


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for item in value:
            yield from _flat(item)


def _providers(package: object) -> Iterator[tuple[str, type]]:
    for info in pkgutil.iter_modules(package.__path__):  # type: ignore[attr-defined]
        if info.ispkg:
            yield info.name, importlib.import_module(f"{package.__name__}.{info.name}").Provider  # type: ignore[attr-defined]


def _usable(word: str, plain: frozenset[str]) -> bool:
    if _UNSPACED.fullmatch(word):
        return True
    written = all(any(low <= ord(c) <= high for low, high in _SCRIPTS) for c in word)
    return len(word) > 1 and word not in _PLAIN and written and tokenize(word).words == [word] and word[0].isalpha()


def _names() -> Iterator[tuple[str, str]]:
    for locale, provider in _providers(people):
        english = locale.startswith("en")
        for attribute in dir(provider):
            flag = "F" if "first_name" in attribute else "L" if "last_name" in attribute else ""
            for name in _flat(getattr(provider, attribute)) if flag else ():
                parts = lowered(name).replace("-", " ").split()
                for part in (*parts, *_UNSPACED.findall(name)):
                    yield part, flag if english else flag.lower()


def _faker_places() -> Iterator[tuple[str, str]]:
    for _, provider in _providers(addresses):
        for attribute in (*_PLACES, *_LARGE):
            for name in _flat(getattr(provider, attribute, ())):
                yield name, "K" if attribute in _LARGE else "C"


def _dialled_places() -> Iterator[tuple[str, str]]:
    for names in GEOCODE_DATA.values():
        for part in names.get("en", "").replace("/", ",").replace(" - ", ",").split(","):
            yield part.strip(), "C"


def _organisations() -> Iterator[tuple[str, str]]:
    for line in (_LISTS / "organisations.txt").read_text().lower().splitlines():
        words = [word for word in tokenize(line).words if len(word) > 1 and word.isalpha()]
        for word in words:
            yield word, "G" if len(words) == 1 else "g"


def _place_words() -> Iterator[tuple[str, str]]:
    for name, flag in (*_faker_places(), *_dialled_places()):
        parts = name.lower().replace("-", " ").split()
        for part in parts:
            if len(part) > 3:
                yield part, flag if len(parts) == 1 else "c"


def _own_words() -> Iterator[tuple[str, str]]:
    for name, flag in _OWN.items():
        for word in (_LISTS / f"{name}.txt").read_text().split():
            yield word.rstrip("."), flag


def _large_places() -> Iterator[tuple[str, str]]:
    for name in ("cities", "countries"):
        for line in (_LISTS / f"{name}.txt").read_text().lower().splitlines():
            parts = line.split()
            for part in parts:
                if len(part) > 2:
                    yield part, "K" if len(parts) == 1 else "c"


def code_words() -> set[str]:
    """Return the words that Python's standard library has in lower case at least ten times."""
    seen: Counter[str] = Counter()
    for path in code_files():
        seen.update(_LOWER_WORD.findall(path.read_text(encoding="utf-8", errors="ignore")))
    return {word for word, count in seen.items() if count >= 10}


def build(everyday: set[str]) -> dict[str, str]:
    """Return the flags of every word, in the order of FLAGS; everyday words are no places and no foreign names."""
    found: dict[str, set[str]] = defaultdict(set)
    plain = frozenset(_PLAIN.split())
    sources: tuple[Iterable[tuple[str, str]], ...] = (_names(), _place_words())
    for source in sources:
        for word, flag in source:
            if _usable(word, plain):
                found[word].add(flag)
    for word in everyday & found.keys():
        found[word] -= set("Ccfl")
    for word, flag in (*_own_words(), *_large_places()):
        found[word].add(flag)
    for word, flag in _organisations():
        if word not in plain and word not in everyday and (flag == "G" or len(word) > 3):
            found[word].add(flag)
    return {word: _letters(flags) for word, flags in found.items() if flags}


def _letters(flags: set[str]) -> str:
    """Order the flags; of a pair only the stronger stays."""
    weaker = {weak for strong, weak in _STRONGER if strong in flags}
    return "".join(flag for flag in FLAGS if flag in flags - weaker)


def plain_words(data: Path) -> list[str]:
    """Return the words that the corpora have in lower case, outside names, at least three times."""
    seen: Counter[str] = Counter()
    for name in CORPORA:
        for row in read_rows(data, name):
            tokens = tokenize(row.text)
            seen.update(
                w for w, y in zip(tokens.words, labels(tokens, row.spans), strict=True) if y == "O" and w.islower()
            )
    return sorted(word for word, count in seen.items() if count >= 3 and len(word) > 2 and word.isalpha())


def write(path: Path, flags: dict[str, str], plain: list[str]) -> None:
    """Write one line per combination of flags; the same input gives the same bytes."""
    groups: dict[str, list[str]] = defaultdict(list)
    for word, letters in flags.items():
        groups[letters].append(word)
    groups[PLAIN] = plain
    text = "\n".join(f"{letters} {' '.join(sorted(words))}" for letters, words in sorted(groups.items()))
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public corpora")
    args = parser.parse_args()
    plain = {*plain_words(args.data), *code_words()}
    write(args.out, build(plain), sorted(plain))


if __name__ == "__main__":
    main()
