"""Embeddings: hashed bags of stems, signed and normalised, the same for the same text on every machine."""

import array
import base64
import hashlib
import math
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from demo.provider.errors import WireError
from demo.provider.tokens import count
from demo.provider.words import stems

_DEFAULT = {"simulated-small": 256, "simulated-large": 1024}
_MOST = 4096


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer an embeddings request; raises WireError 400."""
    texts = _texts(body.get("input"))
    model = str(body.get("model"))
    dimensions = body.get("dimensions", _DEFAULT[model])
    if not isinstance(dimensions, int) or not 1 <= dimensions <= _MOST:
        raise WireError(400, f"'dimensions' must be a whole number from 1 to {_MOST}.", "dimensions", "invalid_value")
    shape = _base64 if body.get("encoding_format") == "base64" else list
    rows = [
        {"object": "embedding", "index": at, "embedding": shape(vector(text, dimensions))}
        for at, text in enumerate(texts)
    ]
    tokens = sum(count(text) for text in texts)
    return {
        "object": "list",
        "data": rows,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def vector(text: str, dimensions: int) -> list[float]:
    """Embed one text as a vector of length 1."""
    values = [0.0] * dimensions
    for stem, number in Counter(stems(text) or ["<empty>"]).items():
        digest = int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest())
        values[digest % dimensions] += (1 if digest >> 63 else -1) * (1 + math.log(number))
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values] if length else [1.0, *values[1:]]


def _texts(given: object) -> list[str]:
    rows = [given] if isinstance(given, str) else given
    if not isinstance(rows, list) or not rows or not all(isinstance(row, str) for row in rows):
        raise WireError(400, "'input' must be a string or a list of strings.", "input", "invalid_type")
    return rows


def _base64(values: list[float]) -> str:
    packed = array.array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()
