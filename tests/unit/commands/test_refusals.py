"""A command line that cannot work: its exit code, one line that names what is wrong, and no file is
made or changed. The broker cannot be reached; most of these are refused before anything needs it.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job.job_index import IndexedJob, remember
from shared.errors import Exit
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs.finished_job import ID, finish, options_of

SIGNED = "https://me:secret@host.example/a/b.jpg?X-Amz-Signature=secret#secret"
SIXTY_ONE = " ".join(f"{i}.png" for i in range(61))
OTHERS = "photos.7z", "my photos.TAR.XZ", "t90.csv", "photos.zip", "there.png", "1.png", "2.png"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished job, f40.csv, three versions of shoes, and files of other programs."""
    folder = tmp_path_factory.mktemp("refusals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        for name in ("photos/bag", "folder", "folder.PNG", "in", "absent.d/.hidden"):
            (folder / name).mkdir(parents=True)
        (folder / "photos/1.png").touch()
        (folder / "in/1.png").write_bytes(b"1")
        for name in OTHERS:
            (folder / name).write_bytes(b"mine")
        (folder / "list").write_text("photos/1.png\n")
        (folder / "ftp").write_text(f"photos/1.png\n{SIGNED.replace('https', 'ftp')}\n")
        (folder / "blank").write_text("\n\n")
        for name in ("grid.png", "x.keras"):
            (folder / name).write_bytes(b"mine")
        os.mkfifo(folder / "pipe")
        (folder / "dangling.png").symlink_to("no.png")
        finish(msgspec.structs.replace(options_of(folder, b"in"), output=str(folder / "f40.csv")))
        remember(IndexedJob(ID, str(folder / "f40.csv"), 1.0))
        card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
        for _ in range(3):
            Registry(folder / "store").publish(card, {"model.tflite": b"1"})
        yield folder


@pytest.fixture(autouse=True)
def here(planted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(planted / "state"))
    monkeypatch.setenv("HANGTAG_STORE", str(planted / "store"))
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{planted}/no.sock")
    monkeypatch.chdir(planted)
    return planted


def everything(folder: Path) -> dict[bytes, bytes]:
    """The content of each file, and each name."""
    found = dict[bytes, bytes]()
    for place, folders, files in os.walk(os.fsencode(folder)):
        found |= {os.path.join(place, name): b"" for name in folders}
        for name in files:
            path = os.path.join(place, name)
            found[path] = Path(os.fsdecode(path)).read_bytes() if os.path.isfile(path) else b""
    return found


U, S = Exit.USAGE, Exit.SETUP
#: A command line, its exit code, and what its line says.
OF_JOBS = [
    ("classify", U, "give folders of images, or a list of paths with --list"),
    ("classify photos --list list", U, "give folders of images, or a list of paths with --list"),
    ("classify absent", U, "absent: No such file or directory; check the path"),
    ("classify 'in/[a-z]*.png'", U, "name its folder and give the pattern with --glob"),
    ("classify 'in/*.zip'", U, "leave a pattern to the shell"),
    ("classify photos photos -o x.csv", U, "name each image once"),
    ("classify photos ./photos/1.png -o x.csv", U, "name each image once"),
    ("classify s3:/bucket/photos", U, "two slashes after its colon; write s3://bucket/photos"),
    ("classify 'https:/me:x@h/a?b=c' -o x.csv", U, "; write https://h/a"),
    ("classify --list absent -o x.csv", U, "absent: No such file or directory; check the path"),
    ("classify --list photos", U, "save the list as one"),
    ("classify /dev/null", U, "is neither a folder nor a file"),
    ("classify ''", U, "No such file or directory"),
    ("classify --detach absent", U, "absent: No such file or directory; check the path"),
    ("classify --detach photos -o x.png", U, "-o x.csv"),
    ("classify --detach folder", U, "no file at all"),
    ("classify folder", U, "--glob"),
    ("classify photos --glob '*.jpgx'", U, "1 .png"),
    ("classify photos --glob '*.a' --glob '*.b'", U, "matches --glob '*.a' or --glob '*.b'"),
    ("classify absent.d", U, "1 hidden"),
    ("classify --list blank -o x.csv", U, "one path a line"),
    ("classify photos -o x.csv --max-failures many", U, "neither a number of rows"),
    ("classify photos -o x.csv --max-failures 101%", U, "neither a number of rows"),
    ("classify photos -o x.csv --top-k 0", U, "--top-k"),
    ("classify photos -o x.csv --timeout 0", U, "--timeout"),
    ("classify photos -o x.csv --runtime pickle", U, "--runtime"),
    ("classify photos -o x.csv --transport pigeon", U, "--transport"),
    ("classify photos -o x.csv --topk 3", U, "--top-k"),
    ("classify photos -o x.csv --glob '\udcff*'", U, "is not UTF-8"),
    ("classify '\udcff\n' -o x.csv", U, "\\xff"),
    ("classify photos -o photos", U, "-o photos/results.csv"),
    ("classify photos -o photos/ --restart", U, "-o photos/results.csv"),
    ("classify photos -o absent/", U, "-o absent/results.csv"),
    ("classify photos -o absent/x.csv", U, "there is no folder"),
    (f"classify photos -o {'p' * 248}.csv", S, "File name too long; choose another -o"),
    ("classify photos -o pipe", U, "not a regular file"),
    ("classify photos -o -", U, "name a file"),
    ("classify photos -o x.xls", U, "-o x.csv"),
    ("classify photos -o x.HTML", U, "-o x.csv"),
    ("classify photos -o x.csv.gz", U, "no table is written as .gz, but as .csv"),
    ("classify photos -o 'a\nb.csv'", U, "line break"),
    ("classify photos -o 'a\x1bb.csv'", U, "cannot be printed"),
    ("classify photos -o '\udcff.csv'", U, "not UTF-8"),
    ("classify photos --restart --retry-failed", U, "give one"),
    ("classify --detach photos --restart --retry-failed", U, "give one"),
    ("classify f40.csv photos", U, "continue the job with: hangtag classify f40.csv"),
    ("classify f40.csv -o x.csv", U, "continue the job with: hangtag classify f40.csv"),
    ("classify f40.csv --glob '*.png'", U, "was started with other options (--glob)"),
    ("classify photos -o t90.csv", U, "--restart"),
    *(
        (f"classify photos --model {model}", U, "model")
        for model in ("../etc/passwd", "Model", "m@", "m@@1", "m@-1", "m@99999999999")
    ),
    ("classify photos --model boots", S, "no.sock"),
    ("classify photos -o x.csv", S, "HANGTAG_REDIS_URL"),
    ("collect abcdefgh", U, "hangtag status"),
    ("collect absent.csv", U, "hangtag status"),
    ("status ../x", U, "hangtag status"),
    ("cancel ''", U, "hangtag status"),
    ("cancel abcdefgh", S, "Redis"),
    ("cancel f40.csv", U, "nothing to cancel"),
    ("verify photos", U, "photos is a folder"),
    ("sort f40.csv --into x", U, "--copy"),
    ("sort --into x --copy", U, "give a table, --into OUT, and one of"),
    ("sort f40.csv --undo x", U, "--undo takes only the folder"),
    ("sort --undo x --dry-run", U, "--undo takes only the folder"),
    ("clasify photos", U, "classify"),
    ("report f40.csv -o page.csv", U, ".html"),
    ("report f40.csv -o no/page.html", U, "no folder"),
    ("table f40.csv --accept 95 --min-confidence 0.5", U, "give one"),
    ("table f40.csv --accept much", U, "neither a percentage"),
    ("table f40.csv --accept 0.95", U, "0.95 is less than 1%; for example write 95%"),
    ("table f40.csv --accept 0.995%", U, "0.995% is less than 1%; for example write 95%"),
    ("table f40.csv --accept 00", U, "neither a percentage"),
    ("table f40.csv --accept 97", U, "no threshold for --accept 97%; choose from 90%"),
    ("table f40.csv --min-confidence 1.5", U, "neither a share"),
    ("table f40.csv --top-k 2", U, "the job has 1 of 10 labels for each image"),
    ("table f40.csv --probabilities", U, "the job has 1 of 10 labels for each image"),
    ("table f40.csv --columns label,colour", U, "there is no column 'colour'"),
    ("table f40.csv --columns label,label", U, "given twice"),
    ("table f40.csv --columns label,path", U, "always the first"),
    ("table f40.csv --columns path", U, "name a column after path, or all"),
    ("table f40.csv --form tsv", U, "--form is for -o"),
    ("table f40.csv -o table.ods", U, "no table is written as .ods, but as .csv .tsv .jsonl"),
    ("table f40.csv -o nowhere/table.csv", U, "there is no folder"),
    ("table f40.csv -o f40.csv", U, "is the table of a job"),
    ("table f40.csv -o f40.csv.hangtag --force", U, "named like a file of a job"),
    ("table f40.csv -o f40.csv.corrections.jsonl", U, "named like a file of a job"),
]
#: These name what lies there and a table, for a file and for a folder.
OF_TABLES = (
    *("table {}", "report {}", "compare {} f40.csv", "compare f40.csv {}", "collect {}"),
    *("status {}", "cancel {}", "forget {} --yes", "sort {} --into out --copy", "review {}"),
)
#: Without a query or a password in the line.
OF_ADDRESSES = [
    ("photos.7z", "photos.7z is an archive of a kind that is not read; unpack it"),
    ("'my photos.TAR.XZ'", "my photos.TAR.XZ is an archive of a kind that is not read"),
    ("'gs://bucket/a b'", "gs://bucket/a b is an address, and files are classified; copy"),
    (SIGNED, "https://host.example/a/b.jpg may have a query or a password"),
    ("'ftp://me:secret@host/x?*'", "copy them into a folder"),
]
OF_PICTURES = [
    ("predict folder", U, "hangtag classify"),
    ("predict photos.zip", U, "hangtag classify"),
    ("predict absent.png", U, "check the path"),
    ("predict 1.png 1.png", U, "once"),
    ("predict 1.png 2.png --truth a --truth b --truth c", U, "--truth"),
    ("predict 1.png --model ../x", U, "model"),
    ("predict 1.png --plot out.jpg", U, ".png"),
    ("predict 1.png --plot there.png", U, "--force"),
    ("predict 1.png --plot folder.PNG --force", U, "choose another name"),
    ("predict 1.png --plot dangling.png", U, "exists"),
    ("predict 1.png --plot folder.png/x.png", U, "create it"),
    (f"predict {SIXTY_ONE} --plot out.png", U, "at most 60"),
    (f"predict {SIXTY_ONE * 20}", U, "hangtag classify"),
    ("predict there.png --plot there.png --force", U, "another name"),
    ("predict 1.png folder/../1.png --plot folder/../1.png --force", U, "would"),
    ("predict 1.png", S, "HANGTAG_REDIS_URL"),
    ("dataset show", U, "--force"),
    ("dataset show -o there.png", U, "is not a folder"),
    ("dataset show -o new --data ''", U, "--data is empty"),
]
OF_MODELS = [
    ("models list ../shoes", U, "cannot be a model"),
    ("models list boots", S, "there is: fashion-mnist, shoes"),
    ("models list shoe", S, "did you mean shoes? see: hangtag models list"),
    ("models show shoes@prodction", S, "did you mean shoes@production? see:"),
    ("models show ../shoes@1", U, "does not name a model"),
    ("models show shoes@../1", U, "does not name a model"),
    ("models use shoe", S, "did you mean shoes?"),
    ("models use shoes@9", S, "no version shoes@9"),
    ("models show shoes@9", S, "no version shoes@9; there is: shoes@1, shoes@2, shoes"),
    ("models show shoes@canary", S, "no alias shoes@canary; there is: shoes@production"),
    ("models promote shoes", U, "name the version"),
    ("models promote shoes@9", S, "shoes@3; see: hangtag models list shoes"),
    ("models promote shoes@2 --alias ../x", U, "cannot be an alias"),
    ("models promote shoes@2 --alias 7", U, "cannot be an alias"),
    ("models promote shoes@2 --why 'bett\udce9r'", U, "'--why': 'bett\\udce9r' is not UTF-8"),
    ("models rollback shoes", S, "no promotion to take back"),
    ("models rollback shoes --alias canary", S, "there is no alias shoes@canary"),
    ("models rollback /etc", U, "cannot be a model"),
    ("models rollback shoes@1", U, "the name alone: shoes"),
    ("models rollback boots", S, "there is: fashion-mnist, shoes"),
    ("models prune ../shoes", U, "cannot be a model"),
    ("models prune boots", S, "there is no model boots"),
    ("models prune shoes@1", U, "the name alone: shoes"),
    ("models evaluate shoes --data ''", U, "--data is empty"),
    ("models evaluate ../shoes", U, "does not name a model"),
    ("models evaluate shoes --data absent", U, "is not a folder"),
    ("models import absent.keras --labels l --name x", U, "No such file"),
    ("models import /dev/null --labels l --name x", U, "not a regular file"),
    ("models import x.keras --labels l --name ../x", U, "cannot be a model"),
    ("models import x.keras --labels l --name x --precision int8", U, "--data DIR"),
]
OF_WORKERS = [
    *(
        (f"up --workers '{text}'", U, "--workers")
        for text in (
            *("0", "-1", "1025", "99999999", "", "many", "auto:", "auto:2", "auto:8-2", "auto:0-0"),
            *("auto:1-1025", "2-8", "1.5", "\u0663", "auto:-1-2"),
        )
    ),
    ("worker --root absent", S, "is not a folder here"),
    ("worker --root photos/1.png", S, "is not a folder here"),
    ("worker --queue train --root photos", U, "leave out --root"),
    ("worker --queue train --concurrency 2", U, "leave out --concurrency"),
]


def refusal(here: Path, command: str, code: Exit) -> str:
    """The line of a command that fails with this code and changes no file."""
    before = everything(here)
    result = CliRunner().invoke(hangtag, shlex.split(command))
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert everything(here) == before
    lines = result.stderr.splitlines()
    assert len(lines) == 1 or lines[0].startswith("Usage:"), result.stderr
    assert lines[-1].isprintable()
    return lines[-1]


def of(*tables: list[tuple[str, Exit, str]]) -> pytest.MarkDecorator:
    """A case for each row."""
    rows = [row for table in tables for row in table]
    names = [ascii(command)[1:60] for command, *_ in rows]
    return pytest.mark.parametrize(("command", "code", "says"), rows, ids=names)


@of(OF_JOBS, OF_PICTURES)
def test_it_is_refused(here: Path, command: str, code: Exit, says: str) -> None:
    assert says in refusal(here, command, code)


@of(OF_MODELS, OF_WORKERS)
def test_it_is_refused_before_a_stack_of_this_machine_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: Exit, says: str
) -> None:
    if not command.startswith("worker"):
        monkeypatch.delenv("HANGTAG_REDIS_URL")
    assert says in refusal(here, command, code)
    assert not os.path.exists(os.environ["HANGTAG_RUNTIME_DIR"])


@pytest.mark.parametrize("command", OF_TABLES)
def test_what_is_no_table_is_named_beside_one(here: Path, command: str) -> None:
    line = refusal(here, command.format("t90.csv"), U)
    assert line.startswith("hangtag: t90.csv has no journal (t90.csv.hangtag)"), line
    assert line.endswith("for example f40.csv"), line
    line = refusal(here, command.format("photos"), U)
    assert line.startswith("hangtag: photos is a folder; "), line
    assert line.endswith("for example f40.csv"), line


@pytest.mark.parametrize("command", ["classify", "classify --detach", "predict"])
def test_archives_and_addresses_are_refused_without_their_secrets(here: Path, command: str) -> None:
    for typed, says in OF_ADDRESSES:
        line = refusal(here, f"{command} {typed}", U)
        assert says in line
        assert "secret" not in line


@pytest.mark.parametrize("option", ["--list", "--list0"])
def test_an_address_in_a_list_or_in_its_place_is_refused_without_its_secrets(
    here: Path, option: str
) -> None:
    in_place = refusal(here, f"classify {option} '{SIGNED}'", U)
    assert "https://host.example/a/b.jpg is an address; put it into a file, and name that" in (
        in_place
    )
    if option == "--list":
        line = refusal(here, "classify --list ftp -o x.csv", U)
        assert line.startswith("hangtag: ftp: ftp://host.example/a/b.jpg is an address")
        assert "secret" not in line
    assert "secret" not in in_place


@pytest.mark.parametrize("package", ["botocore", "httpcore"])
def test_without_the_extra_one_line_names_it(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == package else found(name, *a)
    )
    address = "s3://bucket/photos/" if package == "botocore" else "https://host/a.jpg"
    (tmp_path / "list").write_text(f"{address}\n")
    for what in (address, f"--list {tmp_path}/list"):
        line = refusal(here, f"classify {what} -o x.csv", S)
        assert f"{package} is missing; add it with:" in line
        assert "[remote]" in line


def test_a_broker_of_another_kind_is_named_without_its_secrets(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", "amqp://user:secret@host")
    line = refusal(here, "classify photos -o x.csv", S)
    assert "redis://" in line
    assert "secret" not in line
