"""Mutants of guards without an observable effect, and the reason; all others are killed."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
