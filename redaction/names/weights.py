"""The file of the names model: labels, transitions, and one row of weights for each feature string."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
OUTSIDE = "O"


class Weights(NamedTuple):
    """A trained model; label 0 is `O`, row 0 of `state` is all zero and stands for unknown features."""

    labels: list[str]
    transitions: Array  # from label, to label
    rows: dict[str, int]
    state: Array  # row, label


def read_weights(path: Path) -> Weights:
    """Read a model file: gzipped, a JSON line, then the feature strings, then half-precision weights."""
    head, rest = gzip.decompress(path.read_bytes()).split(b"\n", 1)
    info = json.loads(head)
    names = rest[: info["names_bytes"]].decode().split("\n")
    width = len(info["labels"])
    state = np.frombuffer(rest, np.float16, offset=info["names_bytes"]).reshape(len(names), width).astype(np.float32)
    rows = {name: row for row, name in enumerate(names, 1)}
    return Weights(
        info["labels"],
        np.array(info["transitions"], np.float32),
        rows,
        np.vstack([np.zeros((1, width), np.float32), state]),
    )


def write_weights(path: Path, weights: Weights) -> None:
    """Write a model file; the same weights give the same bytes."""
    names = "\n".join(weights.rows).encode()
    info = {"labels": weights.labels, "transitions": weights.transitions.round(4).tolist(), "names_bytes": len(names)}
    data = json.dumps(info).encode() + b"\n" + names + weights.state[1:].astype(np.float16).tobytes()
    path.write_bytes(gzip.compress(data, 9, mtime=0))
