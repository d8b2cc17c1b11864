"""`python -m tests.packages [EXTRAS ...]`: what of a release is installed does what it is for.

It builds the wheel and the sdist of the commit, installs them with each extra in an environment of
its own, and runs there the commands of cases.py. What is built stays in build/packages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.packages.cases import CASES
from tests.steps.step import ROOT

FOLDER = ROOT / "build" / "packages"
WHEEL, SDIST = "*.whl", "*.tar.gz"
#: What installations must not have.
ABSENT = {
    "": {"numpy", "tensorflow"},
    "metrics": {"numpy"},
    "worker": {"tensorflow", "matplotlib"},
    "all": {"tensorflow", "keras"},
}


class Environment(NamedTuple):
    """An environment with nothing but pip, and files of its own for what Hangtag stores."""

    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of it, in its folder `work`."""
        places = {
            f"XDG_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("STATE", "DATA")
        } | {"HANGTAG_RUNTIME_DIR": str(self.folder / "run")}
        return subprocess.run(
            [str(self.folder / "env" / "bin" / command[0]), *command[1:]],
            cwd=self.folder / "work", env=_environ() | places,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip

    def check(self, *command: str) -> str:
        """The output of a command. Raises SystemExit with its output if it fails."""
        done = self.run(*command)
        if done.returncode:
            sys.exit(f"{self.folder.name}: {' '.join(command)}: {done.returncode}\n{done.stdout}")
        return done.stdout


def main() -> int:
    """Exit code 0: each extra does what it is for."""
    chosen = _parser().parse_args().extras or list(CASES)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path in built():
        print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)
    for extras in chosen:
        for form in (WHEEL, SDIST) if extras == "worker,server" else (WHEEL,):
            print(installed(extras, form), flush=True)
    return 0


def built() -> list[Path]:
    """The wheel and the sdist of the commit, in FOLDER/dist."""
    maker = _made("build")
    maker.check("pip", "install", "--quiet", "hatchling")
    subprocess.run(["git", "clone", "--quiet", ROOT, maker.folder / "work"], check=True)
    maker.check("hatchling", "build", "--directory", str(FOLDER / "dist"))
    return [_package(WHEEL), _package(SDIST)]


def installed(extras: str, form: str) -> str:
    """Install a package with extras, run their commands, and describe that in one line."""
    started, name = time.monotonic(), extras or "none"
    place = _made(f"{name.replace(',', '-')}-{'wheel' if form == WHEEL else 'sdist'}")
    wanted = f"hangtag[{extras}] @ {_package(form).as_uri()}"
    place.check("pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), wanted)
    packages = {line.split("==")[0] for line in place.check("pip", "freeze").splitlines()}
    if wrong := packages & ABSENT.get(extras, set()):
        sys.exit(f"the installation {name} has {wrong}")
    for command in CASES[extras]:
        place.check(*command)
    place.run("hangtag", "down", "--force")
    size = sum(path.lstat().st_size for path in place.folder.rglob("*"))
    shutil.rmtree(place.folder)
    return (f"{name} ({form[1:]}): {len(packages)} packages, {size / 1e6:,.0f} MB, "
            f"{len(CASES[extras])} commands, {time.monotonic() - started:.0f} s")  # fmt: skip


def _made(name: str) -> Environment:
    folder = FOLDER / name
    (folder / "work").mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
    return Environment(folder)


def _package(form: str) -> Path:
    (found,) = (FOLDER / "dist").glob(form)
    return found


def _environ() -> dict[str, str]:
    """Without what belongs to the environment of this process."""
    own = {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"}
    return {name: value for name, value in os.environ.items() if name not in own}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.packages", description=__doc__)
    parser.add_argument("extras", nargs="*", help=f"of {', '.join(filter(None, CASES))}; else all")
    return parser


if __name__ == "__main__":
    sys.exit(main())
