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


def most_errors(trials: int, share: float, level: float) -> int:
    """Give the largest count of errors with P(X <= count) <= level, -1 when even none is too likely."""
    odds = share / (1 - share)
    term = math.exp(trials * math.log1p(-share))
    if term == 0.0:
        return _most_errors_of_many(trials, share, level)
    total, count = term, -1
    while total <= level and count < trials:
        count += 1
        term *= (trials - count) / (count + 1) * odds
        total += term
    return count


def _most_errors_of_many(trials: int, share: float, level: float) -> int:
    low, high = -1, trials
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cdf(middle, trials, share) <= level else (low, middle)
    return low
