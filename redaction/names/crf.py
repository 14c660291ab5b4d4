"""Label probabilities of a linear-chain CRF, for many windows of a text at once."""

from collections.abc import Sequence

import numpy as np

from redaction.names.weights import Array

_WINDOW = 32
# Tokens on both sides that a window sees but does not answer for; farther ones change nothing that counts.
_CONTEXT = 10
_SIZE = _WINDOW + 2 * _CONTEXT
# Steps between two scalings: a step makes numbers smaller by a factor that single precision bears a few times.
_SCALED_EVERY = 4


def marginals(scores: Array, transitions: Array) -> Array:
    """Return the probability of each label at each token, from the scores (token, label) and transitions."""
    count = len(scores)
    if count <= _SIZE:
        whole: Array = _forward_backward(scores[None], transitions)[0]
        return whole
    tokens = np.arange(count)
    begins = np.clip(np.arange(-(-count // _WINDOW)) * _WINDOW - _CONTEXT, 0, count - _SIZE)
    inner = _forward_backward(scores[begins[:, None] + np.arange(_SIZE)], transitions)
    shares: Array = inner[tokens // _WINDOW, tokens - begins[tokens // _WINDOW]]
    return shares


def marginals_of(many: Sequence[Array], transitions: Array) -> list[Array]:
    """Return the marginals of each of many texts; short ones of the same length are walked through at once."""
    same: dict[int, list[int]] = {}
    for i, scores in enumerate(many):
        same.setdefault(len(scores), []).append(i)
    found = list(many)
    for count, places in same.items():
        short = 0 < count <= _SIZE and len(places) > 1
        if short:
            shares = _forward_backward(np.stack([many[i] for i in places]), transitions)
        for n, i in enumerate(places):
            found[i] = shares[n] if short else marginals(many[i], transitions)
    return found


def _forward_backward(scores: Array, transitions: Array) -> Array:
    """Return probabilities (window, token, label); both directions walk at once, scaled so that nothing overflows."""
    count = scores.shape[1]
    here = np.exp(scores - scores.max(axis=2, keepdims=True)).swapaxes(0, 1)
    step = np.exp(transitions - transitions.max())
    steps, ways = np.stack((step, step.T)), np.stack((here, here[::-1]))
    walked = np.empty_like(ways)  # way, token as it is met, window, label
    walked[:, 0] = state = ways[:, 0]
    for i in range(1, count):
        state = np.matmul(state, steps)
        state *= ways[:, i]
        if i % _SCALED_EVERY == 0:
            state /= state.max(axis=2, keepdims=True)
        walked[:, i] = state
    both = walked[0].astype(np.float64)  # single precision would not bear the product
    both[:-1] *= np.matmul(walked[1, ::-1][1:], step.T)
    shares: Array = (both / both.sum(axis=2, keepdims=True)).astype(np.float32)
    return shares.swapaxes(0, 1)
