"""Train the names model: a linear-chain CRF over public corpora and generated texts (needs python-crfsuite).

`python -m tools.names.train --data FOLDER --generated FILE --gazetteer FILE --crfsuite FILE --out FILE`
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random

import pycrfsuite

from redaction.names.features import Word, describe, strings
from redaction.names.gazetteer import Gazetteer, load_gazetteer
from redaction.names.tokens import tokenize
from redaction.names.weights import write_weights
from tools.names.augment import Relabel, substitute
from tools.names.code import code_rows
from tools.names.corpus import CORPORA, Row, labels, read_rows
from tools.names.generate import recase
from tools.names.pack import weights_of
from tools.names.slots import held_out

_log = logging.getLogger("names.train")


class Poorer(Gazetteer):
    """A gazetteer that does not know some of its words, so that the model learns to do without."""

    def __init__(self, full: Gazetteer, salt: str) -> None:
        super().__init__({})
        self._full, self._salt = full, salt

    def flags(self, word: str) -> str:
        """Return no flags for one word in eight."""
        flags = self._full.flags(word)
        return "" if flags and not set(flags) & set("NTOSX") and held_out(word + self._salt) else flags


def pools(rows: list[Row]) -> dict[str, list[str]]:
    """Collect the values of each label, to be put into other texts."""
    out: dict[str, list[str]] = {"PER": [], "LOC": [], "ORG": []}
    for row in rows:
        for start, end, label in row.spans:
            if label in out and row.text[start:end].count("\n") == 0:
                out[label].append(row.text[start:end])
    return out


def training_rows(data: Path, generated: list[Row], rnd: Random) -> Iterator[Row]:
    """Yield generated texts, and each corpus text as it is and once more with other names."""
    values, relabel = pools(generated), Relabel()
    yield from generated
    for name in CORPORA:
        for row in map(relabel, read_rows(data, name)):
            yield recase(row, rnd.random())
            if row.spans:
                yield recase(substitute(row, values, rnd), rnd.random())


def train(args: argparse.Namespace) -> None:
    """Train and write the model."""
    rnd, full = Random(args.seed), load_gazetteer(args.gazetteer)
    views = [_words(full), *(_words(Poorer(full, salt)) for salt in ("a", "b", "c"))]
    generated = [row for path in args.generated for row in read_rows(path.parent, path.name.removesuffix(".jsonl.gz"))]
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    tokens_seen = 0
    for row in (*code_rows(args.code, full, rnd), *training_rows(args.data, generated, rnd)):
        tokens = tokenize(row.text)
        if tokens.words:
            trainer.append(strings(row.text, tokens, rnd.choice(views)), labels(tokens, row.spans))
            tokens_seen += len(tokens.words)
    trainer.set_params(
        {"max_iterations": args.iterations, "feature.minfreq": args.minfreq, "c1": args.c1, "c2": args.c2}
    )
    begun = time.monotonic()
    trainer.train(str(args.crfsuite))
    write_weights(args.out, weights_of(args.crfsuite, args.smallest))
    _log.info("%d tokens, %.0f s, %d bytes", tokens_seen, time.monotonic() - begun, args.out.stat().st_size)


def _words(gazetteer: Gazetteer) -> Callable[[str], Word]:
    return cache(lambda word: describe(word, gazetteer.flags(word.lower())))


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--generated", type=Path, nargs="+", required=True)
    parser.add_argument("--gazetteer", type=Path, required=True)
    parser.add_argument("--crfsuite", type=Path, required=True, help="where crfsuite's own model file goes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--smallest", type=float, default=0.02, help="weights nearer to zero are left out")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--minfreq", type=float, default=2.0)
    parser.add_argument("--c1", type=float, default=0.3)
    parser.add_argument("--c2", type=float, default=0.02)
    parser.add_argument("--code", type=int, default=5_000, help="pieces of code without names")
    parser.add_argument("--seed", type=int, default=3)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
