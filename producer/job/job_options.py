"""The options of a job: each is declared here, once.

The command line makes its options and their help from these declarations, Python checks its
arguments by them, and the journal records those that determine the answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from producer.job.columns import COLUMNS, SINGLE
from shared import runtimes
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import AUTO, TRANSPORTS
from shared.messages.model_name import parse
from shared.options import Option, flag, parse_seconds, parse_share, parse_text

#: Resets an option to its default.
ALL = "all"
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d+)?)%?", re.ASCII)
#: A percentage is not checked before this number of rows is finished.
ROWS_BEFORE_PERCENT = 1_000
_FORM = re.compile(r"(\d+(?:\.\d+)?)(%?)")
#: The labels of each image that a journal has at least, so that second and third guesses can be
#: displayed later, without classifying again.
KEPT_LABELS = 3
#: As the file of a list: standard input.
STDIN = b"-"
#: What the journal does not record of the options, since it is of one call, or recorded elsewhere.
_OF_A_CALL = {
    *("accept", "min_confidence", "columns", "max_failures", "timeout_s"),
    *("restart", "retry_failed", "update", "watch"),
}
#: What identifies a job beside its output, and how the fields that are no options are named.
_IDENTIFYING = {
    "roots": "the folders",
    "cwd": "the current folder, to which paths are relative",
    "glob": "",
    "list_file": "",
    "list0": "--list0",
    "archives": "",
    "model": "",
    "runtime": "",
}


def parse_accept(value: float | str) -> float | str:
    """A precision as a share, from a share or a text in percent; `all` as it is.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, str):
        if 0 < value < 1:
            return float(value)
        raise ValueError(f"{value!r} is neither a precision like 0.95, nor {ALL!r}")
    if value == ALL:
        return value
    match = _PERCENT.fullmatch(value)
    if match is None or not float(match[1]):
        raise ValueError(f"{value!r} is neither a percentage, for example 95%, nor all")
    percent = float(match[1])
    if percent < 1:
        meant = f"{100 * percent:g}" if percent >= 0.01 and "%" not in value else "95"
        raise ValueError(f"{value} is less than 1%; for example write {meant}%")
    return percent / 100


def parse_columns(value: str | Sequence[str]) -> tuple[str, ...]:
    """The columns after the path, from their names or a text with commas; empty for `all`.

    Raises:
        ValueError: there is no such column, it is named twice, or there is only the path.
    """
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)
    if names == [ALL]:
        return ()
    chosen = names[1:] if names[:1] == [COLUMNS[0]] else names
    if not chosen:
        raise ValueError(f"name a column after {COLUMNS[0]}, or {ALL}")
    for name in chosen:
        if name == COLUMNS[0]:
            raise ValueError(f"{name} is always the first column")
        if name not in SINGLE:
            raise ValueError(f"there is no column {name!r}; choose from {','.join(SINGLE)}, or all")
        if chosen.count(name) > 1:
            raise ValueError(f"{name} is given twice")
    return tuple(chosen)


class ErrorBudget(msgspec.Struct, frozen=True):
    """The limit of failed rows, as a number or as a percentage of the finished rows."""

    limit: float | None = None  #: None: there is none
    percent: bool = False

    def exceeded(self, failed: int, done: int, finished: bool) -> bool:
        """Whether a job with these rows must stop; `finished` if no more follow."""
        if self.limit is None:
            return False
        if not self.percent:
            return failed > self.limit
        if done < ROWS_BEFORE_PERCENT and not finished:
            return False
        return 100 * failed > self.limit * done


def parse_budget(value: object) -> ErrorBudget:
    """`N` or `P%`.

    Raises:
        ValueError: it is neither.
    """
    text = str(value)
    match = _FORM.fullmatch(text.strip())
    if match is None or (not match[2] and "." in match[1]) or (match[2] and float(match[1]) > 100):
        raise ValueError(f"{text!r} is neither a number of rows like 10 nor a share like 5%")
    return ErrorBudget(float(match[1]), bool(match[2]))


class JobOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of a job. Other options than those of one call make another job, except for the
    transport of files.

    Paths are bytes, as the system has them.
    """

    roots: tuple[bytes, ...] = ()  #: as typed
    cwd: bytes = b""  #: base of relative roots
    output: str = ""  #: identifies the job; absolute once it is resolved
    #: A str of one pattern in journals of 0.2.0.
    glob: Annotated[
        str | tuple[str, ...],
        Option(
            help="Classify only files that match this pattern, for example '*.png'. Repeatable.",
            parse=parse_text,
            is_repeated=True,
        ),
    ] = ()
    archives: Annotated[
        bool,
        Option(
            help="Open the zip and tar archives in folders, too. An archive that is named is "
            "always opened."
        ),
    ] = False
    list_file: Annotated[
        bytes,
        Option(
            help="Read paths and addresses (https://, s3://) from this file or standard input, one "
            "per line, relative to the current folder, instead of folders.",
            flag="--list",
            metavar="FILE|-",
            kind="path",
        ),
    ] = b""
    #: Whether each name in the list ends with NUL, so that it may contain a line end.
    list0: bool = False
    #: As typed; resolved once, when the job starts.
    model: Annotated[str, Option(help="Default: see hangtag models use.", kind="model")] = ""
    runtime: Annotated[
        str,
        Option(
            help=f"What computes the network; {runtimes.ABOUT}.",
            choices=runtimes.CHOICES,
            is_seldom=True,
        ),
    ] = runtimes.DEFAULT.name
    #: It does not change the table, so a resumed job may have another one.
    transport: Annotated[
        str,
        Option(
            help="inline: through Redis. path: workers open files on a shared file system "
            "(HANGTAG_ROOT). auto: on this machine's stack they open large ones.",
            choices=TRANSPORTS,
            is_seldom=True,
        ),
    ] = AUTO
    accept: Annotated[
        float | str | None,
        Option(
            help="Label rows unknown whose confidence is too low for this precision; the column "
            "guess has the model's label. all: no threshold.",
            metavar="90|95|98|99%|all",
            parse=parse_accept,
        ),
    ] = None
    min_confidence: Annotated[
        float | None,
        Option(
            help="The same with one confidence for all labels.",
            metavar="SHARE|P%",
            parse=parse_share,
        ),
    ] = None
    columns: Annotated[
        tuple[str, ...] | None,
        Option(
            help="These columns after the path, in this order. all: the default.",
            metavar="NAME,...",
            parse=parse_columns,
        ),
    ] = None
    #: The labels of each image that the table displays unless asked for others
    #: (producer/table/display_options.py). The journal may have more. None: one.
    top_k: Annotated[
        int | None,
        Option(help="Add columns label_2, confidence_2, ... up to K.", least=1, most=1000),
    ] = None
    probabilities: Annotated[bool | None, Option(help="Add a column p_LABEL for each label.")] = (
        None
    )
    max_failures: Annotated[
        ErrorBudget,
        Option(
            help="Stop with exit code 4 if more than N, or P%, of the rows fail.",
            metavar="N|P%",
            parse=parse_budget,
        ),
    ] = ErrorBudget()
    timeout_s: Annotated[
        float | None,
        Option(
            help="Stop waiting after this time; the same command resumes.",
            flag="--timeout",
            metavar="SECONDS",
            parse=parse_seconds,
        ),
    ] = None
    restart: Annotated[bool, Option(help="Start over and replace the output.")] = False
    retry_failed: Annotated[
        bool, Option(help="Retry only the failed rows, also of a finished job.")
    ] = False
    update: Annotated[
        bool,
        Option(
            help="Bring a finished table up to date: new and changed files are classified, rows of "
            "removed ones leave, all others stay."
        ),
    ] = False
    watch: Annotated[
        bool,
        Option(help="Go on until Ctrl-C: bring the table up to date whenever files change."),
    ] = False
    #: The name of the table's format (producer/table/table_formats.py). The table's path may end
    #: like that of another one, since earlier versions of Hangtag wrote CSV into any.
    form: str = "csv"
    #: A larger file is a row `too_large`. Set when the job starts (producer/run/window.py),
    #: not by the user, so that the rows do not depend on the server that finishes the job.
    max_file_bytes: int = MAX_FILE_BYTES
    #: The numbers of the roots that were files when the job started; None before. Such a file may
    #: be removed or sorted later. A folder may not.
    file_roots: tuple[int, ...] | None = None
    #: Of a job of 0.2.0: the numbers of the roots that were patterns, which nothing walks any more.
    pattern_roots: tuple[int, ...] = ()
    #: The kind of source of each root, or all kinds of the list, when the job started
    #: (producer/sources/source.py). Empty: all roots are files.
    kinds: tuple[str, ...] = ()
    #: What the name of the recorded list adds to that of the table, if the list came from standard
    #: input (producer/sources/lists.py); empty until it is recorded.
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
    """The options that identify a job, and what it knows of its files, as JSON."""
    fields = (field for field in options.__struct_fields__ if field not in _OF_A_CALL)
    return msgspec.json.encode({field: getattr(options, field) for field in fields})


def has_relative_paths(options: JobOptions) -> bool:
    """Whether an image may be named by a relative path. The lines of a list are not read here; each
    of them may be one."""
    return bool(options.list_file) or any(not root.startswith(b"/") for root in options.roots)


def differences(mine: JobOptions, theirs: JobOptions) -> list[str]:
    """The options in which two jobs of one output differ, as typed."""
    relative = has_relative_paths(mine)
    return [
        _typed(field, theirs)
        for field in _IDENTIFYING
        if _value(mine, field) != _value(theirs, field) and (field != "cwd" or relative)
    ]


def _typed(field: str, theirs: JobOptions) -> str:
    typed = _IDENTIFYING[field] or flag(JobOptions, field)
    # With the name, since it may be the one that `hangtag models use` chose.
    return f"{typed} {parse(theirs.model)}" if field == "model" else typed


def _value(options: JobOptions, field: str) -> Any:
    """The value of an option, in one form where the same may be typed in several."""
    if field == "model":
        return parse(options.model)
    if field == "glob":
        return set(options.globs)
    if field == "roots":
        return tuple(root.rstrip(b"/") or root[:1] for root in options.roots)
    return getattr(options, field)
