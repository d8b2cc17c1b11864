"""Shares as bars of characters."""

from __future__ import annotations

from producer.present.style import dim, doubtful, good

BAR_WIDTH = 24
#: For terminals whose encoding has no block characters.
PLAIN_BAR, PLAIN_REST = "#", "-"
#: From empty to full in eighths of a character.
_BLOCKS = " ▏▎▍▌▋▊▉█"
_SHADE = "░"


def bar(share: float, blocks: bool = True, size: int = BAR_WIDTH) -> str:
    """A share from 0 to 1 as a bar of `size` characters at most."""
    if not blocks:
        return PLAIN_BAR * round(share * size)
    whole, rest = divmod(round(share * size * 8), 8)
    return (_BLOCKS[8] * whole + _BLOCKS[rest]).rstrip()


def parted_bar(sure: float, all_: float, blocks: bool) -> str:
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
    full, light = (_BLOCKS[8], _SHADE) if blocks else (PLAIN_BAR, PLAIN_REST)
    rest = light * (length - solid)
    return (good(full * solid) if solid else "") + (doubtful(rest) if rest else "")


def progress_bar(share: float, cells: int, blocks: bool) -> str:
    """A bar of always `cells` characters, filled from 0 to 1; the rest is dim."""
    full, rest = ("\u2501", "\u2500") if blocks else (PLAIN_BAR, PLAIN_REST)
    filled = min(cells, int(share * cells))
    return good(full * filled) + dim(rest * (cells - filled))
