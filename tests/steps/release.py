"""What refuses a release: rows of the night, versions that disagree, figures of another product."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata

from tests.steps import inputs, plan, record
from tests.steps.record import Row
from tests.steps.step import NOT_RUN, PASSED, ROOT, Step

#: What figures of speed and memory depend on.
MEASURED = ("hangtag", "producer", "worker", "shared", "constraints.txt")


def problems() -> list[str]:
    """Why this commit is not to be released; empty if it may be."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in
             ("pyproject.toml", "CHANGELOG.md", "CITATION.cff", "README.md")}  # fmt: skip
    return [
        *of_files(inputs.commit()),
        *of_rows(plan.nightly(), record.read(), inputs.digest),
        *of_versions(texts, metadata.version("hangtag")),
        *of_figures(texts["README.md"], _changed_since),
    ]


def of_files(commit: str) -> Iterator[str]:
    if commit.endswith("+"):
        yield f"files differ from {commit.rstrip('+')}; commit them"


def of_rows(
    steps: Sequence[Step], rows: Mapping[str, Row], digest: Callable[[Step], str]
) -> Iterator[str]:
    """Each step has passed with the files as they are, or cannot run on this machine."""
    for step in steps:
        row = rows.get(step.name)
        if row is None:
            yield f"{step.name} is missing in {inputs.NIGHTLY_PAGE}"
        elif row.result != PASSED and not (row.result == NOT_RUN and step.needs):
            yield f"{step.name}: {row.result}"
        elif row.inputs != digest(step):
            yield f"{step.name} ran with other files, at {row.commit}"
        elif row.commit.endswith("+"):
            yield f"{step.name} ran with files that were not committed"


def of_versions(texts: Mapping[str, str], installed: str) -> Iterator[str]:
    """The version of the project, and its date, are the same everywhere."""
    version = _first(r'(?m)^version = "(.*)"', texts["pyproject.toml"])
    cited = _first(r"(?m)^version: (.*)", texts["CITATION.cff"])
    logged = _first(r"(?m)^## \[(.*?)\]", texts["CHANGELOG.md"])
    for name, other in (("the installed hangtag", installed), ("CITATION.cff", cited),
                        ("CHANGELOG.md", logged)):  # fmt: skip
        if other != version:
            yield f"{name} is {other}, pyproject.toml {version}"
    date = _first(r"(?m)^## \[.*?\] - (.*)", texts["CHANGELOG.md"])
    if date != (cited_date := _first(r"(?m)^date-released: (.*)", texts["CITATION.cff"])):
        yield f"the date in CHANGELOG.md is {date}, in CITATION.cff {cited_date}"


def of_figures(readme: str, changed_since: Callable[[str], str]) -> Iterator[str]:
    """Figures that name the commit of their measurement are those of this product."""
    for commit in sorted(set(re.findall(r"\bcommit ([0-9a-f]{7,40})\b", readme))):
        if changed := changed_since(commit):
            yield f"README.md has figures of {commit}, after which {changed} changed; make bench"


def _changed_since(commit: str) -> str:
    """A file of the product that differs from its state at a commit; empty for none."""
    if not inputs.git("branch", "--contains", commit).strip():
        return "everything"
    return inputs.git("diff", "--name-only", commit, "--", *MEASURED).partition("\n")[0]


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else "none"
