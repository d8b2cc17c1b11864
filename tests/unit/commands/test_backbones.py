"""What `hangtag backbones add` asks for, before a trainer gets the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producer.trainer.backbones import add, form_like
from shared.errors import UsageError
from shared.messages.requests import NetworkForm
from shared.settings import Settings

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("tool", ["timm", "torchvision"])
def test_a_network_like_those_of_a_tool_has_its_values_but_for_those_that_are_given(
    tool: str,
) -> None:
    assert form_like(tool, {}) == NetworkForm(scale="0-1", mean=MEAN, std=STD)
    given = {"std": (0.5, 0.5, 0.5), "size": 224, "scale": None, "mean": ()}
    expected = NetworkForm(scale="0-1", mean=MEAN, std=(0.5, 0.5, 0.5), size=224)
    assert form_like(tool, given) == expected


def test_without_a_tool_nothing_is_assumed() -> None:
    assert form_like(None, {"scale": None, "mean": ()}) == NetworkForm()


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        ("Dino", 1, "--name 'Dino' cannot be a backbone; use small letters and digits"),
        ("dino", -1, "No such file or directory; check the path$"),
        ("dino", (128 << 20) + 1, "has 134,217,729 bytes; the limit is 134,217,728$"),
    ],
)
def test_a_wrong_name_or_file_is_one_line(tmp_path: Path, name: str, size: int, line: str) -> None:
    file = tmp_path / "net.onnx"
    if size >= 0:
        file.touch()
        os.truncate(file, size)
    with pytest.raises(UsageError, match=line) as error:
        add(Settings.from_env(), file, name, NetworkForm(), "")
    assert "\n" not in str(error.value)
