"""Each error of a handler becomes one line, and only those of a moment are tried again."""

from __future__ import annotations

import errno
import os

import pytest

from shared.errors import SetupError, UsageError
from worker.requests.outcomes import failed


@pytest.mark.parametrize(
    ("error", "line", "usage"),
    [
        (UsageError("no such folder"), "no such folder", True),
        (SetupError("too few images"), "too few images", False),
        (
            ModuleNotFoundError("No module", name="keras.layers"),
            "the trainer on .* cannot do that: ",
            False,
        ),
        (
            ModuleNotFoundError("No module", name="own"),
            r"the work failed \(ModuleNotFoundError: ",
            False,
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), r"a disk is full \(.*see /log\)", False),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), r"a disk is full \(.*see /log\)", False),
        (
            OSError(errno.EIO, os.strerror(errno.EIO)),
            r"the work failed \(OSError: .*see /log",
            False,
        ),
        (MemoryError(), r"the trainer ran out of memory; .*\(see /log\)", False),
        (ValueError("a\nb"), r"the work failed \(ValueError: a b\); see /log", False),
    ],
)
def test_an_error_is_one_line(error: Exception, line: str, usage: bool) -> None:
    outcome = failed(error, "/log")
    assert not outcome.ok
    assert outcome.usage is usage
    assert "\n" not in outcome.error
    with pytest.raises(SetupError, match=f"^{line}"):
        raise SetupError(outcome.error)
