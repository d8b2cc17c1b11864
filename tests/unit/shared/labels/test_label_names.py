"""Which labels people may add."""

from __future__ import annotations

import pytest

from shared.errors import UsageError
from shared.labels.class_folders import MAX_LABELS, check_labels


def test_there_are_at_most_a_thousand_labels_and_those_can_be_given_again() -> None:
    known = [f"label {number}" for number in range(MAX_LABELS - 1)]
    check_labels(["one more"], known)
    check_labels(known[:3], [*known, "one more"])
    with pytest.raises(UsageError, match="there are 1,000 labels; use one of them"):
        check_labels(["one more", "another"], known)
