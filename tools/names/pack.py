"""Turn a model file of crfsuite into the one that ships."""

from pathlib import Path

import numpy as np
import pycrfsuite

from redaction.names.weights import OUTSIDE, Weights


def weights_of(path: Path, smallest: float) -> Weights:
    """Return the weights of a crfsuite model; those nearer to zero than `smallest` are left out."""
    tagger = pycrfsuite.Tagger()
    tagger.open(str(path))
    info = tagger.info()
    labels = [OUTSIDE, *sorted(label for label in info.labels if label != OUTSIDE)]
    place = {label: at for at, label in enumerate(labels)}
    transitions = np.zeros((len(labels), len(labels)), np.float32)
    for (before, after), weight in info.transitions.items():
        transitions[place[before], place[after]] = weight
    kept = {key: weight for key, weight in info.state_features.items() if abs(weight) >= smallest}
    rows = {name: row for row, name in enumerate(sorted({feature for feature, _ in kept}), 1)}
    state = np.zeros((len(rows) + 1, len(labels)), np.float32)
    for (feature, label), weight in kept.items():
        state[rows[feature], place[label]] = weight
    return Weights(labels, transitions, rows, state)
