"""Write labelled texts made by presidio-evaluator's generator, with its templates, people, companies and formats.

`python -m tools.quality.presidio_texts OUT.jsonl.gz --count 1500 --seed 1`, where `presidio-evaluator` is installed.
"""

import argparse
import gzip
import json
from pathlib import Path

from presidio_evaluator.data_generator.presidio_sentence_faker import (
    PresidioSentenceFaker,
    presidio_additional_entity_providers,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lower", type=float, default=0.05, help="share of names that begin in lower case")
    args = parser.parse_args()
    # The list of hospitals would be fetched from the network; no template of the package uses it.
    providers = [each for each in presidio_additional_entity_providers if each.__name__ != "HospitalProvider"]
    maker = PresidioSentenceFaker("en_US", args.lower, entity_providers=providers, random_seed=args.seed)
    with gzip.open(args.out, "wt") as out:
        for made in maker.generate_new_fake_sentences(args.count):
            spans = [(span.start_position, span.end_position, span.entity_type) for span in made.spans]
            out.write(json.dumps({"t": made.full_text, "s": spans}) + "\n")


if __name__ == "__main__":
    main()
