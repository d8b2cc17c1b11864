"""Shares as bars of characters."""

from __future__ import annotations

from producer.present.style import dim, doubtful, good

BAR_WIDTH = 24


def parted_bar(sure: float, all_: float) -> str:
    """A bar of two shares from 0 to 1: the sure part green, the rest up to `all_` yellow and light.

    A part that is not empty has at least one character.
    """
    length = max(round(all_ * BAR_WIDTH), 1) if all_ else 0
    solid = round(sure * BAR_WIDTH)
    if sure:
        solid = max(solid, 1)
    if sure < all_:
        solid = min(solid, length - 1) if length > 1 else solid
    solid = min(solid, length)
    rest = "░" * (length - solid)
    return (good("█" * solid) if solid else "") + (doubtful(rest) if rest else "")


def progress_bar(share: float, cells: int) -> str:
    """A bar of always `cells` characters, filled from 0 to 1; the rest is dim."""
    filled = min(cells, int(share * cells))
    return good("━" * filled) + dim("─" * (cells - filled))
