"""What a program may rely on with `--json`: one answer on standard output, or one error object as
the last line on standard error."""

from __future__ import annotations

import json
from typing import Any

from producer.cli.main import JsonError


def answer(code: int, out: str, log: str) -> Any:
    """The answer of a command that has one. Its code may report failed rows."""
    try:
        return json.loads(out)
    except json.JSONDecodeError as error:
        raise AssertionError(f"{code}: no answer ({error})\n{out}\n{log}") from None


def error(code: int, out: str, log: str) -> dict[str, Any]:
    """The error of a command that has no answer."""
    assert out == "", out
    assert code != 0
    found: dict[str, Any] = json.loads(log.splitlines()[-1])
    assert list(found) == list(JsonError.__struct_fields__)
    assert found["code"] == code
    assert found["sentence"]
    assert all(isinstance(found[name], str) for name in ("sentence", "remedy"))
    return found


def check(code: int, out: str, log: str) -> None:
    """Either of them."""
    answer(code, out, log) if out else error(code, out, log)
