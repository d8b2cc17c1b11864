"""The base images are looked for before a build, and told apart afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import command, first
from tests.compose import bases
from tests.compose.engine import DockerFails

#: An engine that lists what was pulled into it, and nothing that a build got for itself.
ENGINE = """
cd "$(dirname "$0")"
for name; do :; done
case "$1 $2" in
  "image inspect") cat "digests of $name" 2> /dev/null || { echo "No such image" >&2; exit 1; } ;;
  pull*) echo "$name" >> pulled; echo '["sha256:1"]' > "digests of $name" ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    command(folder, "docker", ENGINE)
    monkeypatch.setenv("PATH", first(folder))
    return folder


def test_what_the_engine_does_not_list_is_pulled_and_nothing_else(engine: Path) -> None:
    mine, missing = bases.NAMES
    (engine / f"digests of {mine}").write_text("[]\n")
    bases.provide()
    bases.provide()
    assert (engine / "pulled").read_text() == f"{missing}\n"
    assert bases.told() == (
        f"STAND-INS made on this machine, not the official base images: {mine}"
    )  # fmt: skip


def test_official_images_are_called_what_they_are(engine: Path) -> None:
    bases.provide()
    assert bases.told() == f"base images of a registry: {', '.join(bases.NAMES)}"


def test_an_image_that_the_engine_does_not_list_is_no_stand_in(engine: Path) -> None:
    (engine / f"digests of {bases.NAMES[0]}").write_text('["sha256:1"]\n')
    assert bases.told() == f"base images of unknown origin: {bases.NAMES[1]}"


def test_what_cannot_be_had_is_named_with_the_engines_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path / "bin", "docker", 'echo "no such host" >&2; exit 1')
    monkeypatch.setenv("PATH", first(tmp_path / "bin"))
    with pytest.raises(DockerFails, match=rf"pull .*{bases.NAMES[0]}: no such host"):
        bases.provide()
