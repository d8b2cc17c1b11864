"""Files with credentials for a broker: the password, TLS certificates and keys."""

from __future__ import annotations

from shared import regular_file
from shared.errors import SetupError

MAX_PASSWORD_BYTES = 4096
#: All authorities of a system together have 0.3 MB.
MAX_PEM_BYTES = 1 << 24


def read_password(path: str) -> str:
    """The password in HANGTAG_REDIS_PASSWORD_FILE.

    Raises:
        SetupError: the file is unreadable, or does not hold one printable line.
    """
    try:
        data = regular_file.read(path, MAX_PASSWORD_BYTES)
        text = data.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SetupError(f"HANGTAG_REDIS_PASSWORD_FILE={path}: {reason}; fix that file") from None
    if not text or len(data) > MAX_PASSWORD_BYTES or not text.isprintable():
        raise SetupError(f"HANGTAG_REDIS_PASSWORD_FILE={path} must hold one line, the password")
    return text


def check_file(path: str) -> None:
    """Raises SetupError for an unreadable certificate or key: at the start, not on first use."""
    try:
        data = regular_file.read(path, MAX_PEM_BYTES)
        reason = "too large" if len(data) > MAX_PEM_BYTES else ""
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise SetupError(f"{path}: {reason}; check HANGTAG_REDIS_CA, _CERT and _KEY")
