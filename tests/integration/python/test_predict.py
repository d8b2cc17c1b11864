"""`hangtag.predict`, from files and from memory."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hangtag
from tests.support.images.gallery import Gallery

pytestmark = pytest.mark.usefixtures("working")


def test_the_same_image_has_one_answer_in_every_form(here: Path, images: Gallery) -> None:
    path = here / images.paths[0]
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
        made = hangtag.predict(
            [
                *(str(path), path, path.read_bytes(), image, pixels, pixels[:, :, None]),
                *(np.stack([pixels] * 3, axis=2), np.ascontiguousarray(pixels)),
            ]
        )
    assert [one.path for one in made[:2]] == [str(path)] * 2
    assert [one.path for one in made[2:]] == [f"images[{i}]" for i in range(2, 8)]
    assert {(one.label, one.confidence) for one in made} == {(made[0].label, made[0].confidence)}
    assert sum(made[0].probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert os.listdir(here / "tmp") == []


def test_a_member_of_an_archive_is_an_image(here: Path, images: Gallery) -> None:
    path = images.paths[0]
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write(path, "some/a.png")
        archive.writestr("text.png", b"no image")
    member, same, text = hangtag.predict(["photos.zip/some/a.png", path, "photos.zip/text.png"])
    assert (member.path, same.path) == ("photos.zip/some/a.png", path)
    assert (member.label, member.confidence) == (same.label, same.confidence)
    assert text.status == "unsupported"
    assert os.listdir(here / "tmp") == []
    for none in ("photos.zip/none.png", "none.zip/a.png", "photos.zip/some"):
        with pytest.raises(hangtag.UsageError, match=none):
            hangtag.predict(none)
    with pytest.raises(hangtag.UsageError, match=r"too many; use: hangtag classify"):
        hangtag.predict([f"photos.zip/{number}.png" for number in range(1_001)])


def test_one_image_is_a_list_of_one(here: Path, images: Gallery) -> None:
    (one,) = hangtag.predict(images.paths[0])
    assert (one.status, one.flag) == ("ok", "")
    (one,) = hangtag.predict(b"no image")
    assert (one.status, one.label, one.confidence) == ("unsupported", "", None)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((8, 8)), r"images\[0\] has values of type <f8; give uint8, 0 to 255"),
        (np.zeros((8, 8, 2), np.uint8), r"images\[0\] has the shape \(8, 8, 2\); give"),
        (np.zeros((0, 8), np.uint8), r"has the shape \(0, 8\)"),
        ([[0, 1], [1, 0]], "is 'list'; give a path, bytes, a PIL image or an array"),
        ("missing.png", "missing.png: No such file or directory; check the path"),
        ("pictures", "pictures is a folder; use: hangtag.classify"),
    ],
    ids=["float", "channels", "empty", "list", "missing", "folder"],
)
def test_what_is_no_image_is_refused_in_one_line(here: Path, image: object, sentence: str) -> None:
    with pytest.raises(hangtag.UsageError, match=sentence):
        hangtag.predict([image])  # type: ignore[list-item]
