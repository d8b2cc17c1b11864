"""The files that `make secrets` writes, with rootful and rootless engines."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.processes.fleet import ROOT
from tests.support.processes.path_commands import command, first

ROOTFUL = "[name=apparmor name=seccomp,profile=builtin name=cgroupns]"
ROOTLESS = "[name=seccomp,profile=builtin name=rootless name=cgroupns]"
CALLER_ID = 4242


def make_secrets(folder: Path, engine: str = "exit 1", **settings: str) -> dict[str, str]:
    """The settings that it writes if `docker` is this script."""
    command(folder.parent / "bin", "docker", engine)
    others = {n: v for n, v in os.environ.items() if not n.startswith("SUDO_")}
    env = others | {"PATH": first(folder.parent / "bin")} | settings
    subprocess.run([ROOT / "deploy/make-secrets.sh", folder], env=env, check=True)
    lines = (folder / ".env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def security(options: str) -> str:
    return f"""[ "$*" = "info -f {{{{.SecurityOptions}}}}" ] && echo '{options}'"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


@pytest.mark.parametrize("engine", ["exit 1", security(ROOTFUL)])
def test_a_producers_files_belong_to_the_caller(folder: Path, engine: str) -> None:
    settings = make_secrets(folder, engine)
    user = (settings["HANGTAG_UID"], settings["HANGTAG_GID"])
    assert user == (str(os.getuid()), str(os.getgid()))


def test_a_producer_is_root_if_the_root_of_a_container_is_the_caller(folder: Path) -> None:
    settings = make_secrets(folder, security(ROOTLESS))
    assert (settings["HANGTAG_UID"], settings["HANGTAG_GID"]) == ("0", "0")


def test_the_data_folder_is_writable_by_the_caller_and_readable_by_all(
    folder: Path,
) -> None:
    before = os.umask(0o077)
    try:
        make_secrets(folder)
    finally:
        os.umask(before)
    data = (folder / "data").stat()
    assert (data.st_uid, stat.S_IMODE(data.st_mode)) == (os.getuid(), 0o755)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be called with sudo")
def test_under_sudo_the_calling_user_is_the_caller(folder: Path) -> None:
    settings = make_secrets(folder, SUDO_UID=str(CALLER_ID), SUDO_GID=str(CALLER_ID))
    data = (folder / "data").stat()
    assert (settings["HANGTAG_UID"], settings["HANGTAG_GID"]) == (str(CALLER_ID), str(CALLER_ID))
    assert (data.st_uid, data.st_gid) == (CALLER_ID, CALLER_ID)


def test_git_and_images_ignore_the_secrets(folder: Path) -> None:
    make_secrets(folder)
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {f"/{path.name}" for path in folder.iterdir()} == {"/.env", "/secrets", "/data"}
    assert {"/.env", "/secrets/", "/data/"} <= set(ignored)
