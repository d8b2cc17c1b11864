"""The command that puts the images of a table into folders: sort."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.option_lists import Command, seldom_option
from producer.cli.options import json_option, print_answer, quiet_option
from shared.errors import UsageError

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(
    cls=Command,
    epilog=examples(
        ("hangtag sort photos.csv --into sorted --move --dry-run", ""),
        ("hangtag sort photos.csv --into sorted --move", "again: continues"),
        ("hangtag sort --undo sorted", ""),
    ),
)
@click.argument("table", required=False, type=click.Path(path_type=Path), metavar="[RESULTS.CSV]")
@click.option("--into", type=_FOLDER, metavar="OUT", help="The folder for the folders of labels.")
@click.option("--copy", "way", flag_value="copy", help="Copy the images.")
@click.option("--link", "way", flag_value="link", help="Make hard links, which need no space.")
@click.option("--move", "way", flag_value="move", help="Move the images.")
@click.option("--undo", type=_FOLDER, metavar="OUT", help="Take everything in OUT back.")
@seldom_option("--back-to", type=_FOLDER, metavar="DIR", help="With --undo: below this folder.")
@click.option("--dry-run", is_flag=True, help="Only print what would be done.")
@quiet_option
@json_option
def sort(
    table: Path | None,
    into: Path | None,
    way: str | None,
    undo: Path | None,
    back_to: Path | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Put images into a folder for each label, or back.

    Images without an accepted label come into unknown/, flagged and failed ones into flagged/ and
    failed/. No file is written over or lost; the same command continues after any interruption.

    Exit codes: 0 all images, 3 some stay where they are, 2 usage, 1 set-up, 130 interrupted.
    """
    from producer.sort_log.log import Way
    from producer.sorting import sort as sorting
    from producer.summary.job_text import next_lines, remark_lines, result_lines

    if undo is not None:
        if table is not None or into is not None or way is not None or dry_run:
            raise UsageError("--undo takes only the folder that was sorted into, and --back-to DIR")
        result = sorting.undo(undo, quiet, back_to)
    elif back_to is not None:
        raise UsageError("--back-to says where --undo OUT puts the images; give both")
    elif table is None or into is None or not (way or dry_run):
        raise UsageError(
            "give a table, --into OUT, and one of --copy, --link and --move; or --undo OUT"
        )
    else:
        place = sorting.rehearse if dry_run else sorting.sort
        result = place(table, into, Way(way or Way.COPY), quiet)
    print_answer(result, result_lines(result), as_json, quiet)
    if not as_json:
        for line in [*remark_lines(result), *([] if quiet else next_lines(result, table))]:
            click.echo(line, err=True)
        if dry_run and way is None and not quiet:
            click.echo("this is a dry run of --copy; --link and --move are the others", err=True)
    sys.exit(int(result.exit_code))


COMMANDS = (sort,)
