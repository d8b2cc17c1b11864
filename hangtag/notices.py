"""What a person should know and no function returns: lines for the logger `hangtag`."""

from __future__ import annotations

import logging

from hangtag.arguments import in_python

_LOG = logging.getLogger("hangtag")


def log_notice(text: str) -> None:
    """Log a sentence of a command, which may be empty."""
    if text:
        _LOG.warning("%s", in_python(text))
