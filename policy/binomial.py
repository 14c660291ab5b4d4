"""The exact binomial distribution, on the standard library alone."""

import math


def cdf(successes: int, trials: int, share: float) -> float:
    """Give P(X <= successes) for X ~ Binomial(trials, share); exact to rounding."""
    if successes >= trials:
        return 1.0
    if successes < 0:
        return 0.0
    odds = math.log(share) - math.log1p(-share)
    log_term = trials * math.log1p(-share)
    terms = [log_term]
    for k in range(successes):
        log_term += math.log(trials - k) - math.log(k + 1) + odds
        terms.append(log_term)
    most = max(terms)
    return min(1.0, math.exp(most) * math.fsum(math.exp(term - most) for term in terms))
