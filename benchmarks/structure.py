"""`python -m benchmarks.structure [FOLDER]`: the size and shape of the product's source."""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("hangtag", "producer", "worker", "shared")
SMALL_LINES, LARGE_LINES, LONG_FUNCTION_LINES = 40, 250, 30


class Source:
    """The product's Python files below `root`; package markers are left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = [
            path
            for package in PACKAGES
            for path in sorted((root / package).rglob("*.py"))
            if path.name != "__init__.py"
        ]
        self.trees = {path: ast.parse(path.read_bytes()) for path in self.paths}
        self.modules = {self._module(path): path for path in self.paths}

    def lines(self) -> list[int]:
        return [len(path.read_text().splitlines()) for path in self.paths]

    def folders(self) -> Counter[Path]:
        """Number of files by folder."""
        return Counter(path.parent.relative_to(self.root) for path in self.paths)

    def arrows(self) -> set[tuple[Path, Path]]:
        """Pairs of folders, the first of which imports the second, including lazy imports."""
        return {
            (path.parent, target.parent)
            for path, tree in self.trees.items()
            for target in self._imported(tree)
            if target.parent != path.parent
        }

    def long_functions(self) -> int:
        return sum(
            (node.end_lineno or 0) - node.lineno + 1 > LONG_FUNCTION_LINES
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )

    def _imported(self, tree: ast.Module) -> Iterator[Path]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in (node.module, *names):
                    if name in self.modules:
                        yield self.modules[name]

    def _module(self, path: Path) -> str:
        return ".".join(path.relative_to(self.root).with_suffix("").parts)


def table(source: Source) -> list[tuple[str, str]]:
    """Name and value of each figure."""
    lines, folders = source.lines(), source.folders()
    largest, count = folders.most_common(1)[0]
    return [
        ("files", f"{len(lines):,}"),
        ("lines", f"{sum(lines):,}"),
        ("folders", f"{len(folders)}"),
        ("files in the largest folder", f"{count} ({largest})"),
        ("imports between folders", f"{len(source.arrows())}"),
        ("lines of the median file", f"{statistics.median(lines):.0f}"),
        (f"files under {SMALL_LINES} lines", f"{sum(n < SMALL_LINES for n in lines)}"),
        (f"files over {LARGE_LINES} lines", f"{sum(n > LARGE_LINES for n in lines)}"),
        (f"functions over {LONG_FUNCTION_LINES} lines", f"{source.long_functions()}"),
    ]


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    for name, value in table(Source(root)):
        print(f"{name:32}{value}")


if __name__ == "__main__":
    main()
