"""`python -m benchmarks.certify_texts FILE`: is the promise kept on labelled texts that this project has never seen?

FILE has a JSON object with `text` and `label` in each line. Naive Bayes learns from some of them; of the rest, 200
times a few hundred are drawn, a certificate is fitted to their scores and errors, and its promise is held against all.
"""

import json
import random
from pathlib import Path

import click
import numpy as np

from benchmarks.stand import say
from metrics.health.confidence.certify import Plan, certify
from policy import binomial
from tests.classifier import Classifier, Text

DRAWS, LOOKS, DELTA = 200, (100, 300), 0.10


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--learn", default=600, show_default=True, help="How many texts the model learns from.")
@click.option("--alpha", default=0.12, show_default=True, help="Error rate that is promised among what passes.")
@click.option("--seed", default=1, show_default=True)
def main(file: Path, learn: int, alpha: float, seed: int) -> None:
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    texts = [Text(row["text"], str(row["label"])) for row in rows]
    random.Random(seed).shuffle(texts)
    model, rest = Classifier(texts[:learn]), texts[learn:]
    if len(rest) < 5 * LOOKS[-1]:
        raise click.ClickException(f"{len(texts)} texts are too few: {learn + 5 * LOOKS[-1]} are needed at least.")
    found = [model.answer(text.words) for text in rest]
    scores = np.array([probability for _, probability in found])
    errors = np.array([label != text.label for (label, _), text in zip(found, rest, strict=True)])
    rng, plan = np.random.default_rng(seed), Plan(alpha, DELTA, LOOKS)
    broken = given = 0
    coverage = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(rest), LOOKS[-1])
        made = [certify(scores[drawn], errors[drawn], plan, look).threshold for look in LOOKS]
        kept = [threshold for threshold in made if threshold is not None]
        broken += any(errors[scores >= threshold].mean() > alpha for threshold in kept)
        given += bool(kept)
        coverage += [float((scores >= made[-1]).mean()) if made[-1] is not None else 0.0]
    unlikely = 1 - binomial.cdf(broken - 1, DRAWS, DELTA) if broken else 1.0
    say("texts, labels", f"{len(texts):,}, {len(model.labels)}")
    say("the model errs on", f"{errors.mean():.1%} of those it did not learn from")
    say(f"draws of {LOOKS[-1]}, with a certificate", f"{DRAWS}, {given}")
    say(f"promise of {alpha:.0%} broken", broken)
    say("mean share that passes", f"{np.mean(coverage):.1%}")
    say("chance of so many or more, if 1 in 10 may", f"{unlikely:.3f}: {'kept' if unlikely > 0.01 else 'BROKEN'}")
    raise SystemExit(unlikely <= 0.01)


if __name__ == "__main__":
    main()
