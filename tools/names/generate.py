"""Write labelled training or evaluation texts made from the templates beside this file (needs Faker)."""

import argparse
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

from tools.names.corpus import Row, read_rows
from tools.names.scripts import Script
from tools.names.slots import Slots

_HERE = Path(__file__).parent
_SLOT = re.compile(r"\{([a-z]+)\}")
_JOINS = (" ", "\n", "\n\n")
Makers = dict[str, tuple[str | None, Callable[[], str]]]


def templates(folder: Path) -> list[str]:
    """Return every template of a folder, with its line breaks."""
    lines = (line for path in sorted(folder.glob("*.txt")) for line in path.read_text().splitlines())
    return [line.replace("\\n", "\n").replace("\\t", "\t") for line in lines if line]


def fill(template: str, makers: Makers) -> Row:
    """Fill one template."""
    text, spans, at = "", [], 0
    for match in _SLOT.finditer(template):
        if match.group(1) not in makers:
            continue
        label, make = makers[match.group(1)]
        text += template[at : match.start()]
        at, value = match.end(), str(make())
        if label:
            spans.append((len(text), len(text) + len(value), label))
        text += value
    return Row(text + template[at:], tuple(spans))


def join(parts: list[Row], glue: str) -> Row:
    """Put texts after each other."""
    text, spans = "", []
    for part in parts:
        text += glue if text else ""
        spans += [(start + len(text), end + len(text), label) for start, end, label in part.spans]
        text += part.text
    return Row(text, tuple(spans))


def recase(row: Row, draw: float) -> Row:
    """Lower-case a share of the texts and upper-case a small one, where no offset moves."""
    for limit, change in ((0.22, str.lower), (0.26, str.upper)):
        text = change(row.text)
        if draw < limit and len(text) == len(row.text):
            return Row(text, row.spans)
    return row


def generate(slots: Slots, lines: list[str], count: int, *, plain_case: bool) -> list[Row]:
    """Return `count` texts of one to four filled templates each."""
    makers, rnd = slots.makers(), slots.random
    rows = []
    for _ in range(count):
        chosen = rnd.choices(lines, k=rnd.choice((1, 1, 1, 2, 3, 4)))
        row = join([fill(line, makers) for line in chosen], rnd.choice(_JOINS))
        rows.append(row if plain_case else recase(row, rnd.random()))
    return rows


def other_scripts(seed: int, count: int, *, holdout: bool) -> list[Row]:
    """Return `count` texts in languages that are not written in Latin letters, as many of each."""
    files = sorted((_HERE / "templates" / "scripts").glob("*.txt"))
    rows = []
    for number, path in enumerate(files):
        script = Script(path.stem, seed + number, holdout=holdout)
        lines = [line.replace("\\n", "\n") for line in path.read_text().splitlines()]
        for _ in range(count // len(files)):
            chosen = script.random.choices(lines, k=script.random.choice((1, 1, 1, 2, 3)))
            rows.append(join([fill(line, script.makers()) for line in chosen], script.random.choice(_JOINS)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=24_000)
    parser.add_argument("--scripts", type=int, default=0, help="further texts in other scripts than Latin")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--holdout", action="store_true", help="other templates, other names, case as written")
    parser.add_argument(
        "--data", type=Path, help="folder of the public corpora; their lines without entities serve as filler"
    )
    args = parser.parse_args()
    corpora = ("btc_dev",) if args.holdout else ("wikigold", "sec_train", "btc_train")
    rows = [row for name in corpora for row in read_rows(args.data, name)] if args.data else []
    prose = [row.text for row in rows if not row.spans and 20 < len(row.text) < 300]
    slots = Slots(args.seed, holdout=args.holdout, prose=prose)
    lines = templates(_HERE / ("holdout" if args.holdout else "templates"))
    with gzip.open(args.out, "wt") as file:
        made = generate(slots, lines, args.count, plain_case=args.holdout)
        for row in made + other_scripts(args.seed, args.scripts, holdout=args.holdout):
            file.write(json.dumps({"t": row.text, "s": row.spans}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
