"""Arguments that name images where no source reads them: other addresses, other archives, patterns.
Each is refused before any work, with what can be done instead."""

from __future__ import annotations

import os
import re
import shlex

from producer.present.formatting import typed as command_line
from producer.sources.remote.address import without_secrets
from producer.sources.source_table import is_address
from shared.errors import UsageError
from shared.messages.files import printable

_HERE = "{}"
_PATTERN = re.compile(r"[*?[]")
_ANY_FOLDERS = "**/"  #: a pattern without a slash matches in any folder
#: An address that lacks a slash.
_ONE_SLASH = re.compile(rb"(s3|https?|gs):/(?!/)", re.IGNORECASE)
#: What copies the files of an address into a folder.
_COPIES = {
    "gs": ("gcloud", "storage", "cp", "--recursive", _HERE, "photos"),
}
#: What unpacks an archive into a folder, by its ending.
_UNPACKS = {
    (".tbz2", ".txz", ".tar.bz2", ".tar.xz", ".tar.zst"): "mkdir {1} && tar -xf {0} -C {1}",
    (".7z",): "7z x {0} -o{1}",
    (".rar",): "unrar x {0} {1}/",
}


def check_local(typed: bytes, path: bytes) -> None:
    """Check an argument of no other kind of source, whose path would be `path`.

    Raises:
        UsageError: it is an address, an archive or a pattern.
    """
    if (slip := _ONE_SLASH.match(typed)) and not os.path.lexists(path):
        meant = shown_address(slip[1] + b"://" + typed[slip.end() :])
        raise UsageError(f"an address has two slashes after its colon; write {meant:.300}")
    if is_address(typed, path):
        raise UsageError(address_line(typed))
    name = os.fsdecode(typed)
    if _PATTERN.search(name) and not os.path.lexists(path):
        raise UsageError(_pattern_line(name))
    for endings, command in _UNPACKS.items():
        ending = next((each for each in endings if name.lower().endswith(each)), "")
        if ending and os.path.isfile(path):
            folder = os.path.basename(name)[: -len(ending)] or "photos"
            unpack = command.format(shlex.quote(name), shlex.quote(folder))
            raise UsageError(
                f"{printable(typed)} is an archive of a kind that is not read; unpack it and "
                f"classify the folder: {unpack}"
            )


def _pattern_line(name: str) -> str:
    """The line on a pattern that no shell has expanded."""
    folder, _, _ = _PATTERN.split(name, maxsplit=1)[0].rpartition("/")
    below = name[len(folder) :].lstrip("/").removeprefix(_ANY_FOLDERS)
    glob = f"{below}*" if below.endswith("/") else below
    command = ["hangtag", "classify", folder or ("/" if name.startswith("/") else "."), "--glob"]
    return (
        f"{printable(os.fsencode(name))}: no such file or folder; leave a pattern to the shell, "
        f"without quotation marks, or use --glob: {command_line([*command, glob])}"
    )


def shown_address(typed: bytes) -> str:
    """An address without user, password and query, which may be secrets."""
    typed = without_secrets(typed)
    scheme, _, rest = typed.partition(b"://")
    host = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    path = re.split(rb"[?#]", rest[len(host) :], maxsplit=1)[0]
    if b"@" in rest[len(host) :]:  # a password may have these characters, unescaped
        host = path = b""
    return printable(scheme + b"://" + host.rpartition(b"@")[2] + path)


def address_line(typed: bytes) -> str:
    """The line on an address."""
    shown = shown_address(typed)
    line = f"{shown:.300} is an address, and files are classified; copy them into a folder"
    copy = _COPIES.get(os.fsdecode(typed.partition(b"://")[0]).lower())
    if copy is None:
        return f"{line} and classify that"
    words = (shown if word == _HERE else word for word in copy)
    return f"{line}, for example with: {shlex.join(words)}"
