"""The options of a job. They identify it: other options make another job."""

from __future__ import annotations

import os

import msgspec

from shared import runtimes
from shared.errors import MISFITS, BadMessage
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import AUTO
from shared.messages.model_name import parse

#: The labels of each image that a journal has at least, so that second and third guesses can be
#: displayed later, without classifying again.
KEPT_LABELS = 3


#: As the file of a list: standard input.
STDIN = b"-"


class JobOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that determines the answers, and the transport of files, which does not.

    Paths are bytes, as the system has them.
    """

    roots: tuple[bytes, ...]  #: as typed
    cwd: bytes  #: base of relative roots
    output: str  #: absolute; identifies the job
    #: The patterns that choose files; a str of one in journals of 0.2.0.
    glob: str | tuple[str, ...] = ""
    list_file: bytes = b""
    model: str = ""  #: as typed; resolved once, when the job starts
    runtime: str = runtimes.DEFAULT.name
    #: The labels of each image that the table displays unless asked for others
    #: (producer/rendering/display_options.py). The journal may have more.
    top_k: int = 1
    probabilities: bool = False
    #: The name of the table's format (producer/formats/table_formats.py). The table's path may end
    #: like that of another one, since earlier versions of Hangtag wrote CSV into any.
    form: str = "csv"
    #: It does not change the table, so a resumed job may have another one.
    transport: str = AUTO
    #: A larger file is a row `too_large`. Set when the job starts (producer/dispatch/window.py),
    #: not by the user, so that the rows do not depend on the server that finishes the job.
    max_file_bytes: int = MAX_FILE_BYTES
    #: The numbers of the roots that were files when the job started; None before. Such a file may
    #: be removed or sorted later. A folder may not.
    file_roots: tuple[int, ...] | None = None
    #: Of a job of 0.2.0: the numbers of the roots that were patterns, which nothing walks any more.
    pattern_roots: tuple[int, ...] = ()
    #: The kind of source of each root, or all kinds of the list, when the job started
    #: (producer/sources/source_table.py). Empty: all roots are files.
    kinds: tuple[str, ...] = ()
    #: Whether archives in folders are opened.
    archives: bool = False
    #: Whether each name in the list ends with NUL, so that it may contain a line end.
    list0: bool = False
    #: What the name of the recorded list adds to that of the table, if the list came from standard
    #: input (producer/sources/lists/piped_list.py); empty until it is recorded.
    list_suffix: str = ""

    @property
    def globs(self) -> tuple[str, ...]:
        """The patterns that choose files; none: by the endings of images."""
        if isinstance(self.glob, str):
            return (self.glob,) if self.glob else ()
        return self.glob

    @property
    def is_piped(self) -> bool:
        """Whether the list comes from standard input."""
        return self.list_file == STDIN


def encode_options(options: JobOptions) -> bytes:
    """JSON."""
    return msgspec.json.encode(options)


def decode_options(data: bytes) -> JobOptions:
    """The options in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=JobOptions)
    except MISFITS as error:
        raise BadMessage(
            f"the job's options in its journal cannot be read ({error}); "
            "update Hangtag here, or start over with --restart"
        ) from error


def classify_command(options: JobOptions, output: str, *more: str) -> list[str]:
    """The command that continues the job of this output, from its own folder, with more options;
    display options stay as they are."""
    given = [("-o", output), *(("--glob", pattern) for pattern in options.globs)]
    listed = "--list0" if options.list0 else "--list"
    given += [(listed, os.fsdecode(options.list_file)), ("--model", options.model)]
    if options.runtime != runtimes.DEFAULT.name:
        given.append(("--runtime", options.runtime))
    if options.transport != AUTO:
        given.append(("--transport", options.transport))
    named = [word for option, value in given if value for word in (option, value)]
    named += [*(["--archives"] if options.archives else []), *more]
    folders = [os.fsdecode(root) for root in options.roots]
    ends = ["--"] if any(folder.startswith("-") for folder in folders) else []
    return ["hangtag", "classify", *named, *ends, *folders]


def has_relative_paths(options: JobOptions) -> bool:
    """Whether an image may be named by a relative path. The lines of a list are not read here; each
    of them may be one."""
    return bool(options.list_file) or any(not root.startswith(b"/") for root in options.roots)


#: How each option is typed, to report the one that differs.
_TYPED = {
    "roots": "the folders",
    "cwd": "the current folder, to which paths are relative",
    "glob": "--glob",
    "list_file": "--list",
    "list0": "--list0",
    "archives": "--archives",
    "model": "--model",  # with the name, since it may be the one that `hangtag models use` chose
    "runtime": "--runtime",
}


def differences(mine: JobOptions, theirs: JobOptions) -> list[str]:
    """The options in which two jobs of one output differ, as typed."""
    relative = has_relative_paths(mine)
    return [
        f"{typed} {parse(theirs.model)}" if field == "model" else typed
        for field, typed in _TYPED.items()
        if _value(mine, field) != _value(theirs, field) and (field != "cwd" or relative)
    ]


def _value(options: JobOptions, field: str) -> object:
    """The value of an option, in one form where the same may be typed in several."""
    if field == "model":
        return parse(options.model)
    if field == "glob":
        return set(options.globs)
    if field == "roots":
        return tuple(root.rstrip(b"/") or root[:1] for root in options.roots)
    return getattr(options, field)
