"""What a person should know and no function returns: lines for the logger `hangtag`."""

from __future__ import annotations

import logging

_LOG = logging.getLogger("hangtag")


def log_notice(text: str) -> None:
    """Log a sentence, which may be empty."""
    if text:
        _LOG.warning("%s", text)
