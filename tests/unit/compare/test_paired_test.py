"""The test is exact, for any numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.compare.comparison import p_value

counts = st.integers(0, 400)


def exact(only_a: int, only_b: int) -> Fraction:
    """The oracle, in whole numbers: how many of all outcomes are at least as uneven."""
    count, least = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(count, i) for i in range(least + 1))
    return min(Fraction(1), Fraction(2 * tail, 2**count))


@given(counts, counts)
def test_it_equals_the_binomial_distribution(only_a: int, only_b: int) -> None:
    assert p_value(only_a, only_b) == pytest.approx(float(exact(only_a, only_b)), rel=1e-9)
    assert p_value(only_a, only_b) == p_value(only_b, only_a)
