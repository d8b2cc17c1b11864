"""The check after the crash tests knows each crash point, and which of them have fired."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.failpoints.armed import FIRED_VARIABLE, Points, Shot
from tests.support.failpoints.fired import ROOT, fired, points, report


def test_a_failpoint_is_in_one_place() -> None:
    assert [name for name, count in points().items() if count > 1] == []


def test_failpoints_that_no_test_fired_are_listed(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a.first\na.second\n")
    (tmp_path / "two").write_text("a.second\n")
    assert report({"a.first", "a.second"}, fired(tmp_path)) == ("2 of 2 points fired", 0)
    text, code = report({"a.first", "a.third"}, fired(tmp_path))
    assert "1 of 2" in text
    assert "a.third" in text
    assert code == 1


def test_a_failpoint_is_noted_when_it_fires_and_not_when_it_is_passed(tmp_path: Path) -> None:
    """In a separate process that the failpoint kills."""
    armed = Points(tmp_path / "armed")
    armed.arm(Shot("a.point", 2))
    script = (
        "from shared.failpoints import failpoint\n"
        "from tests.support.failpoints.armed import watch; watch()\n"
        "for name in ('a.point', 'another.point', 'a.point'): failpoint(name)"
    )
    notes = {FIRED_VARIABLE: str(tmp_path / "fired")}
    died = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**armed.settings, **notes})
    assert died.returncode == -signal.SIGKILL
    assert fired(tmp_path / "fired") == {"a.point"}
    assert (tmp_path / "fired" / "fired").read_text() == "a.point\n"
