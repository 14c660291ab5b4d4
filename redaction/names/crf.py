"""Label probabilities of a linear-chain CRF, for many windows of a text at once."""

import numpy as np

from redaction.names.weights import Array

_WINDOW = 32
# Tokens on both sides that a window sees but does not answer for; farther ones change nothing that counts.
_CONTEXT = 10
_SIZE = _WINDOW + 2 * _CONTEXT


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


def _forward_backward(scores: Array, transitions: Array) -> Array:
    """Return probabilities (window, token, label); each step is scaled so that nothing overflows."""
    here = np.exp(scores - scores.max(axis=2, keepdims=True))
    step = np.exp(transitions - transitions.max())
    forward, backward = np.empty_like(here), np.ones_like(here)
    forward[:, 0] = here[:, 0]
    for i in range(1, here.shape[1]):
        state = (forward[:, i - 1] @ step) * here[:, i]
        forward[:, i] = state / state.sum(axis=1, keepdims=True)
    for i in range(here.shape[1] - 2, -1, -1):
        state = (backward[:, i + 1] * here[:, i + 1]) @ step.T
        backward[:, i] = state / state.sum(axis=1, keepdims=True)
    both: Array = forward * backward
    both /= both.sum(axis=2, keepdims=True)
    return both
