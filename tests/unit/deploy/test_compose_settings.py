"""The settings in docker-compose.yml are explained in .env.example."""

from __future__ import annotations

import re

from tests.support.processes.fleet import ROOT

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")


def test_the_example_has_every_setting_of_the_compose_files_and_no_other() -> None:
    used = {
        name
        for file in FILES
        for name in re.findall(r"\$\{(\w+)", (ROOT / file).read_text("utf-8"))
    }
    example = (ROOT / ".env.example").read_text("utf-8")
    assert set(re.findall(r"^#?(HANGTAG_\w+)=", example, re.MULTILINE)) == used


def test_only_the_packages_go_into_an_image() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    packages = {"hangtag", "shared", "worker", "producer"}
    texts = {"README.md", "LICENSE", "NOTICE", "licenses"}
    assert allowed == packages | texts | {"pyproject.toml", "constraints.txt"}
