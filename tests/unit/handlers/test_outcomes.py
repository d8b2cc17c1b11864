"""Each error of a handler becomes one line, and only those of a moment are tried again."""

from __future__ import annotations

import errno
import os

import pytest
import redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from shared.broker import access_errors
from shared.errors import BrokerRefuses, SetupError, Unavailable, UsageError
from worker.requests.outcomes import failed
from worker.requests.runner import _is_transient


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


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (redis.ConnectionError(), True),
        (redis.TimeoutError(), True),
        (ReadOnlyError(), True),
        (OutOfMemoryError(), True),
        (ResponseError(access_errors._NO_REPLICAS), True),
        (BrokerRefuses("no permission"), True),
        (Unavailable("locked"), True),
        (ResponseError("WRONGTYPE"), False),
        (RedisError("other"), False),
        (SetupError("too few images"), False),
        (ValueError(access_errors._NO_REPLICAS), False),
        (MemoryError(), False),
    ],
)
def test_only_what_passes_by_itself_is_tried_again(error: Exception, again: bool) -> None:
    assert _is_transient(error) is again
