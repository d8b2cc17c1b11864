"""Imports sources with their mutants, in this process and in those that it starts.

Variables name the sources, the active mutant, and a file to which each process appends the mutants
whose guard it evaluates. `hook/sitecustomize.py` installs this in the processes that tests start.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import hashlib
import marshal
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from tests.mutants.guards.instrument import ACTIVE, NO_LOCK, WITHOUT, instrumented

ROOT, SOURCES = "GUARDS_ROOT", "GUARDS_SOURCES"
MUTANT, REACHED = "GUARDS_MUTANT", "GUARDS_REACHED"
_TOOL = Path(__file__).parent
_HOOK = _TOOL / "hook"

#: Since the last call of `clear`, in this process.
reached: set[str] = set()
_active, _log, _activated_in = "", "", 0


def install(root: Path, sources: Sequence[Path]) -> None:
    """Import these modules, whose names start at `root`, with their mutants: in this process, where
    none of them has been imported yet, and in each Python process that it starts."""
    os.environ[ROOT], os.environ[SOURCES] = str(root), os.pathsep.join(map(str, sources))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{_HOOK}{os.pathsep}{before}".rstrip(os.pathsep)
    for path in sources:  # not where a test traces a process
        _code_of(root, path)
    install_here()


def install_here() -> None:
    """In this process, as the variables say."""
    setattr(builtins, ACTIVE, _is_missing)
    setattr(builtins, NO_LOCK, contextlib.nullcontext)
    setattr(builtins, WITHOUT, _without)
    root = Path(os.environ[ROOT])
    paths = [Path(path) for path in os.environ[SOURCES].split(os.pathsep)]
    sys.meta_path.insert(0, _Finder(root, paths))
    activate(os.environ.get(MUTANT, ""), os.environ.get(REACHED, ""))
    _started_by_a_test()


def _started_by_a_test() -> None:
    """What this process evaluates is not in `reached` of the test's process."""
    global _activated_in
    _activated_in = 0


def activate(mutant: str, log: str) -> None:
    """Select the mutant of this process and of those that it will start; empty for none."""
    global _active, _log, _activated_in
    _active, _log, _activated_in = mutant, log, os.getpid()
    os.environ[MUTANT], os.environ[REACHED] = mutant, log
    reached.clear()


def _is_missing(mutant: str) -> bool:
    if mutant not in reached:
        reached.add(mutant)
        if _log and os.getpid() != _activated_in:
            _append(mutant)
    return mutant == _active


def _append(mutant: str) -> None:
    with contextlib.suppress(OSError):  # the test has ended
        fd = os.open(_log, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, f"{mutant}\n".encode())
        finally:
            os.close(fd)


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


class _Finder(PathFinder):
    """Finds the modules with guards."""

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self._root = root
        self._paths = {
            ".".join(path.relative_to(root).with_suffix("").parts): path for path in paths
        }

    def find_spec(  # type: ignore[override]
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._paths.get(fullname)
        if file is None:
            return None
        # A copy of the checkout may come first: a module reads the files beside its own copy.
        usual = super().find_spec(fullname, path, target)
        origin = usual.origin if usual is not None and usual.origin else str(file)
        return ModuleSpec(fullname, _Loader(self._root, fullname, file, origin), origin=origin)


class _Loader(SourceFileLoader):
    def __init__(self, root: Path, fullname: str, file: Path, origin: str) -> None:
        super().__init__(fullname, str(file))
        self._root, self._origin = root, origin

    def get_code(self, fullname: str) -> CodeType:
        return _code_of(self._root, Path(self.path))

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._origin
        super().exec_module(module)


def _code_of(root: Path, path: Path) -> CodeType:
    """The compiled source with its mutants, stored for other processes."""
    source = path.read_bytes()
    folder = root / "build" / "guards"
    stored = folder / hashlib.sha256(source + str(path).encode() + _version()).hexdigest()
    with contextlib.suppress(OSError):
        code: CodeType = marshal.loads(stored.read_bytes())
        return code
    module = instrumented(path.relative_to(root).as_posix(), source.decode())
    code = compile(module, str(path), "exec", dont_inherit=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
        part.write(marshal.dumps(code))
    os.rename(part.name, stored)
    return code


@functools.cache
def _version() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(_TOOL.glob("*.py")))
