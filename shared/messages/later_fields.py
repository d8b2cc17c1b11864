"""Fields that a message did not have at first: older readers refuse them, so they are left out at
their defaults."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec


def needed(message: msgspec.Struct, later: Collection[str]) -> dict[str, Any]:
    """The fields of a message as JSON has them, without those of `later` at their defaults."""
    names, defaults = type(message).__struct_fields__, type(message).__struct_defaults__
    # Only the last fields have defaults.
    default_of = dict(zip(reversed(names), reversed(defaults), strict=False))
    return {
        name: value
        for name, value in msgspec.to_builtins(message).items()
        if name not in later or getattr(message, name) != default_of[name]
    }
