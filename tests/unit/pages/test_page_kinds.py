"""Each command that writes a page replaces its own pages only, unless `--force` is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.pages.page import Kind, Page, check, write
from shared.errors import Exit, UsageError
from tests.support.pages import planted_check

PAGE = '<meta name="generator" content="Hangtag">'


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(hangtag, list(map(str, arguments)))
    return result.exit_code, result.stderr


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> planted_check.Check:
    """A check with its page, in the current folder, and no server that could be reached."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no-server")
    return planted_check.plant(tmp_path)


def test_a_report_does_not_replace_the_page_of_a_check(checked: planted_check.Check) -> None:
    before = checked.page.read_bytes()
    code, line = run("report", checked.table)
    assert code == Exit.USAGE
    assert str(checked.page) in line
    assert "--force" in line
    assert checked.page.read_bytes() == before
    assert run("report", checked.table, "--force")[0] == Exit.OK


def test_a_check_does_not_replace_a_report(checked: planted_check.Check) -> None:
    assert run("report", checked.table, "--force")[0] == Exit.OK
    assert run("report", checked.table)[0] == Exit.OK  # its own
    before = checked.page.read_bytes()
    code, line = run("dataset", "check", "photos", "-o", "check.html")
    assert code == Exit.USAGE
    assert "check.html" in line
    assert checked.page.read_bytes() == before


@pytest.mark.parametrize("content", ["Hangtagger", "Hangtag", "Hangtag report and more", "hangtag"])
def test_a_page_of_another_program_is_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "page.html"
    write(path, Page(PAGE.replace("Hangtag", content), ""))
    with pytest.raises(UsageError, match="no page of Hangtag"):
        check(path, Kind.REPORT, force=False)
    check(path, Kind.REPORT, force=True)
