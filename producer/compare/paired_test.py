"""McNemar's exact test: whether two classifiers differ, by the images that only one of them gets
right (McNemar, Psychometrika 12, 1947)."""

from __future__ import annotations

import math

#: A difference that chance makes less often than this is called one.
SIGNIFICANT = 0.05
#: Further terms do not change the sum.
_NEGLIGIBLE = 1e-17


def p_value(only_a: int, only_b: int) -> float:
    """The probability of a split at least as uneven if both were equally good: twice the tail of a
    binomial distribution with probability 1/2, exactly, for any numbers."""
    count, least = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        return 1.0
    # The tail from its largest term on, relative to that term: no power of 2 underflows.
    log_term = (
        math.lgamma(count + 1)
        - math.lgamma(least + 1)
        - math.lgamma(count - least + 1)
        - count * math.log(2)
    )
    term = total = 1.0
    for i in range(least, 0, -1):
        term *= i / (count - i + 1)
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return min(1.0, 2 * math.exp(log_term) * total)
