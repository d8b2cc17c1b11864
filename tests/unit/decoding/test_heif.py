"""A HEIC is its primary image, upright and whole, or a row that says why not."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import pi_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared.errors import ImageError
from shared.image_formats import format_of
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.boxes import box, full_box
from tests.support.images.heif import (
    ALPHA,
    DEPTH,
    Item,
    References,
    coded_files,
    colours,
    grid,
    heif,
    lossless,
    of_picture,
    purpose,
    size,
    turned_heif,
)
from tests.support.images.hevc import coded, sized, unit
from tests.support.images.image_zoo import garment
from tests.support.images.pixel_tolerance import near, random
from worker.decoding.decode import decode

ROOT = Path(__file__).parents[3]
SIDE = 32
SPEC = Preprocessing(SIDE, SIDE, 3)
INTRA_UNIT = 20
#: The crop to all of a picture.
WHOLE = box(b"clap", np.array([SIDE, 1, SIDE, 1, 0, 1, 0, 1], ">i4").tobytes())


def noise(height: int, width: int, depth: int = 8) -> NDArray[np.uint16]:
    return np.random.default_rng(7).integers(0, 1 << depth, (height, width)).astype(np.uint16)


def decoded(data: bytes, spec: Preprocessing = SPEC) -> NDArray[np.int64]:
    return decode(data, spec).astype(np.int64)


def status(data: bytes) -> Status:
    try:
        decode(data, SPEC)
    except ImageError as error:
        return error.status
    return Status.OK


def tiles(image: NDArray[np.uint16], side: int) -> list[Item]:
    """Tiles of this side; those at the right and at the bottom extend beyond the image."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % side), (0, -width % side)))
    return [
        of_picture(coded([padded[top : top + side, left : left + side]]), colours())
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def tiled(image: NDArray[np.uint16], side: int = 16) -> tuple[list[Item], References]:
    height, width = image.shape
    parts = tiles(image, side)
    whole = grid((width, height), -(-width // side), -(-height // side))
    return [whole, *parts], [(b"dimg", 1, range(2, 2 + len(parts)))]


def one(side: int = SIDE, *more: bytes, depth: int = 8) -> Item:
    return of_picture(coded([noise(side, side, depth)], depth), colours(), *more)


def plane(value: int, depth: int = 8) -> NDArray[np.uint16]:
    return np.full((SIDE // 2, SIDE // 2), value << depth - 8, np.uint16)


@pytest.mark.parametrize("depth", [8, 10])
def test_grey_and_colours_of_8_and_10_bits_are_decoded(depth: int) -> None:
    luma = noise(SIDE, SIDE, depth)
    expected = (luma >> depth - 8)[:, :, np.newaxis]
    assert (decoded(heif([of_picture(coded([luma], depth), colours())])) == expected).all()
    neutral = [luma, plane(128, depth), plane(128, depth)]
    assert (decoded(heif([of_picture(coded(neutral, depth), colours())])) == expected).all()
    red = [np.full((SIDE, SIDE), 76 << depth - 8, np.uint16), plane(85, depth), plane(255, depth)]
    out = decoded(heif([of_picture(coded(red, depth), colours())]))
    assert np.abs(out - np.array([254, 0, 0])).max() <= 2


@pytest.mark.parametrize("name", ["drawn.heic", "drawn-10-bit.heic"])
def test_a_picture_of_an_encoder_is_decoded(name: str) -> None:
    down = Image.linear_gradient("L")
    drawn = [down, Image.radial_gradient("L"), down.rotate(90)]
    expected = Image.merge("RGB", [part.resize((128, 96)) for part in drawn])
    out = decoded(coded_files()[name], Preprocessing(96, 128, 3))
    assert np.abs(out - np.asarray(expected))[60:].mean() < 3  # below the disc and the word
    red, word = out[30, 100], out[42:50, 8:50]
    assert np.abs(red - np.array([200, 30, 30])).max() < 20
    assert word.min(axis=2).max() > 200


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_once_though_its_exif_says_it_again(orientation: int) -> None:
    image = random(9, 12).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    near(decode(turned_heif(image, orientation), Preprocessing(72, 96, 1)), image, 0)


def test_a_cropped_image_is_decoded_without_its_margin() -> None:
    image = noise(SIDE + 6, SIDE + 8)
    corner = box(b"clap", np.array([SIDE, 1, SIDE, 1, -2, 1, 1, 1], ">i4").tobytes())
    data = heif([of_picture(coded([image]), colours(), corner)])
    assert (decoded(data)[..., 0] == image[4 : 4 + SIDE, 2 : 2 + SIDE]).all()


@pytest.mark.parametrize("side", [16, 48])
def test_a_grid_is_put_together_and_cut_to_its_size(side: int) -> None:
    image = noise(40, 72)
    items, references = tiled(image, side)
    data = heif(items, [*references, (b"cdsc", 2, [1]), (b"dimg", 2, [1])])
    assert (decoded(data, Preprocessing(40, 72, 1))[..., 0] == image).all()


def test_a_grid_with_a_damaged_tile_is_unreadable() -> None:
    items, references = tiled(noise(40, 72))
    assert status(heif(items, references)) is Status.OK
    broken = Item(b"hvc1", sized(unit(INTRA_UNIT, b"\xff" * 40)), items[5].properties)
    assert status(heif([*items[:5], broken, *items[6:]], references)) is Status.UNREADABLE


@pytest.mark.parametrize("depth", [8, 10])
def test_transparent_pixels_show_the_ground(depth: int) -> None:
    alpha = np.full((SIDE, SIDE), 1 << depth, np.uint16) - 1
    alpha[:, : SIDE // 2] = 0
    alpha[0, 0] = 1 << depth - 2  # nearly transparent
    hidden = of_picture(coded([alpha], depth), purpose(ALPHA))
    data = heif([one(), hidden], [(b"auxl", 2, [1])])
    out = decoded(data, Preprocessing(SIDE, SIDE, 1, ground=200))[..., 0]
    assert (out[1:, : SIDE // 2] == 200).all()
    assert np.abs(out[0, 0] - (200 * 3 + noise(SIDE, SIDE)[0, 0]) / 4) < 2
    assert (out[:, SIDE // 2 :] == noise(SIDE, SIDE)[:, SIDE // 2 :]).all()


def test_only_the_primary_image_is_decoded() -> None:
    """Beside it are a map of depth, a thumbnail, a picture of a burst, notes and tracks."""
    damaged = [size(1 << 30, 1 << 30), box(b"hvcC", b"?")]
    beside = [
        Item(b"hvc1", b"depth", [*damaged, purpose(DEPTH)]),
        Item(b"hvc1", b"alpha", [*damaged, purpose(ALPHA).replace(b"auxC", b"free")]),
        Item(b"hvc1", b"other", [*damaged, purpose(ALPHA)]),
        Item(b"hvc1", b"small", damaged),
        Item(b"hvc1", b"burst", damaged),
        Item(b"mime", b"notes"),
        Item(b"iovl", b"derived", damaged),
    ]
    references: References = [
        (b"auxl", 1, [8]), (b"auxl", 2, [8]), (b"thmb", 3, [8]), (b"thmb", 4, [8]),
        (b"cdsc", 6, [8]), (b"dimg", 7, [7, 8]),
    ]  # fmt: skip
    data = heif([*beside, one()], references, primary=8, brands=(b"hevc", b"mif1"))
    assert (decoded(data + box(b"moov", b"tracks"))[..., 0] == noise(SIDE, SIDE)).all()


def test_a_burst_without_a_still_image_is_unsupported() -> None:
    data = lossless(garment())
    start = data.index(b"meta")
    sequence = data[:start] + b"moov" + data[start + 4 :]
    assert status(sequence.replace(b"heic", b"hevc")) is Status.UNSUPPORTED


@pytest.mark.parametrize("kind", [b"iovl", b"iden", b"tmap", b"jpeg", b"av01", b"unci"])
def test_an_image_that_is_derived_or_not_in_hevc_is_unsupported(kind: bytes) -> None:
    derived = Item(kind, bytes(20), [size(SIDE, SIDE)])
    assert status(heif([derived, one()], [(b"dimg", 1, [2])])) is Status.UNSUPPORTED


def _picture(stated: tuple[int, int]) -> Item:
    """A picture of 32x32 whose headers state another size."""
    return of_picture(coded([noise(SIDE, SIDE)], stated=stated), colours())


def _listed(*listed: Item) -> bytes:
    return heif(listed)


def _grid(columns: int, rows: int, listed: Sequence[int], *more: Item) -> bytes:
    whole = (16 * columns, 16 * rows)
    return heif([grid(whole, columns, rows), *more], [(b"dimg", 1, listed)])


def _hostile() -> dict[str, tuple[bytes, Status]]:
    good = one()
    step = of_picture(coded([noise(16, 16)]), colours())
    wide = good._replace(properties=[size(8_000, 6_251), *good.properties[1:]])
    large = good._replace(properties=[size(7_000, 7_000), *good.properties[1:]])
    small = good._replace(properties=[size(16, 16), *good.properties[1:]])
    empty = good._replace(properties=[size(0, 32), *good.properties[1:]])
    return {
        "grid of itself": (_grid(1, 1, [1]), Status.UNREADABLE),
        "grid of a grid": (_grid(1, 1, [2], grid((16, 16), 1, 1)), Status.UNREADABLE),
        "grids in a circle": (
            heif([grid((16, 16), 1, 1)] * 2, [(b"dimg", 1, [2]), (b"dimg", 2, [1])]),
            Status.UNREADABLE,
        ),
        "its own alpha": (
            heif([one(SIDE, purpose(ALPHA))], [(b"auxl", 1, [1])]), Status.OK,
        ),
        "no tiles": (_grid(1, 1, []), Status.UNREADABLE),
        "too few tiles": (_grid(2, 2, [2, 2, 2], step), Status.UNREADABLE),
        "too many tiles": (_grid(33, 31, range(2, 1_025), *[step] * 1_023), Status.TOO_LARGE),
        "tiles of other sizes": (_grid(2, 1, [2, 3], step, good), Status.UNREADABLE),
        "tiles not wide enough": (
            heif([grid((33, 32), 2, 2), step], [(b"dimg", 1, [2] * 4)]), Status.UNREADABLE,
        ),
        "tiles not high enough": (
            heif([grid((32, 33), 2, 2), step], [(b"dimg", 1, [2] * 4)]), Status.UNREADABLE,
        ),
        "tiles of 100 megapixels": (
            heif([grid((64, 64), 2, 2), large], [(b"dimg", 1, [2] * 4)]), Status.TOO_LARGE,
        ),
        "a missing tile": (_grid(1, 1, [9]), Status.UNREADABLE),
        "grid of 51 megapixels": (
            heif([grid((8_000, 6_400), 2, 1), step], [(b"dimg", 1, [2, 2])]), Status.TOO_LARGE,
        ),
        "grid that is larger than it says": (
            heif([grid((64, 64), 4, 4)._replace(properties=[size(32, 32)]), step],
                 [(b"dimg", 1, [2] * 16)]),
            Status.UNREADABLE,
        ),
        "51 megapixels": (_listed(wide), Status.TOO_LARGE),
        "a side of 4 billion": (
            _listed(good._replace(properties=[size(1 << 31, 1 << 31)])), Status.TOO_LARGE,
        ),
        "stated smaller": (_listed(small), Status.UNREADABLE),
        "stated larger": (_listed(large), Status.UNREADABLE),
        "stated empty": (_listed(empty), Status.UNREADABLE),
        "headers larger": (_listed(_picture((16_384, 16_384))), Status.TOO_LARGE),
        "headers smaller": (_listed(_picture((16, 16))), Status.UNREADABLE),
        "no size": (_listed(good._replace(properties=good.properties[1:])), Status.UNREADABLE),
        "two sizes": (_listed(one(SIDE, size(9, 9))), Status.UNREADABLE),
        "an item listed twice": (
            _listed(good, Item(b"mime", b"", good.properties)).replace(
                struct.pack(">HBH", 2, 3, 4), struct.pack(">HBH", 1, 3, 4)
            ),
            Status.UNREADABLE,
        ),
        "properties beyond their list": (
            _listed(one(SIDE, box(b"free"))).replace(
                struct.pack(">IHB", 1, 1, 4), struct.pack(">IHB", 1, 1, 5)
            ),
            Status.UNREADABLE,
        ),
        "a box beyond its own": (
            _listed(one(SIDE, struct.pack(">I4s", 99, b"free"))), Status.UNREADABLE,
        ),
        "two primary images": (
            _listed(good).replace(
                full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
                full_box(b"pitm", 0, 0, b"\0\1", bytes(19)),
            ),
            Status.UNREADABLE,
        ),
        "1 MiB about the images": (
            _listed(one(SIDE, box(b"free", bytes(1 << 20)))), Status.TOO_LARGE,
        ),
        "nearly as much": (_listed(one(SIDE, box(b"free", bytes(1_048_000)))), Status.OK),
        "65 properties": (_listed(one(SIDE, *[box(b"free")] * 62)), Status.UNREADABLE),
        "colours of 64 KiB": (
            _listed(one(SIDE, box(b"colr", b"nclx", bytes(65_533)))), Status.TOO_LARGE,
        ),
        "two crops": (_listed(one(SIDE, *[WHOLE] * 2)), Status.UNSUPPORTED),
        "no headers": (_listed(good._replace(properties=[size(32, 32)])), Status.UNREADABLE),
        "two pictures": (_listed(good._replace(content=good.content * 2)), Status.UNREADABLE),
        "no picture": (_listed(good._replace(content=b"")), Status.UNREADABLE),
        "a unit too long": (_listed(good._replace(content=good.content[:-9])), Status.UNREADABLE),
        "20,000 units": (
            _listed(good._replace(content=good.content + sized(unit(39, b"note")) * 20_000)),
            Status.UNREADABLE,
        ),
        "no primary image": (heif([good], primary=7), Status.UNREADABLE),
        "crop of nothing": (
            _listed(one(SIDE, box(b"clap", np.array([0, 1] * 4, ">i4").tobytes()))),
            Status.UNREADABLE,
        ),
        "crop beyond the sides": (
            _listed(one(SIDE, box(b"clap", np.array([36, 1, 32, 1, 0, 1, 0, 1], ">i4").tobytes()))),
            Status.UNREADABLE,
        ),
        "crop beyond the lower edge": (
            _listed(one(SIDE, box(b"clap", np.array([32, 1, 30, 1, 0, 1, 2, 1], ">i4").tobytes()))),
            Status.UNREADABLE,
        ),
        "crop by nothing": (_listed(one(SIDE, box(b"clap", bytes(32)))), Status.UNREADABLE),
        "crop after a turn": (_listed(one(SIDE, box(b"irot", b"\1"), WHOLE)), Status.UNSUPPORTED),
        "crop after a mirror": (_listed(one(SIDE, box(b"imir", b"\1"), WHOLE)), Status.UNSUPPORTED),
        "lengths of 2 bytes": (
            _listed(good._replace(properties=[size(32, 32), box(b"hvcC", bytes(21), b"\1\0")])),
            Status.UNSUPPORTED,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", [*_hostile()])
def test_a_hostile_file_is_a_row_that_says_why(name: str) -> None:
    data, expected = _hostile()[name]
    assert status(data) is expected


@pytest.mark.parametrize("name", [b"meta", b"pitm", b"iinf", b"iloc", b"iprp", b"ipco", b"ispe"])
def test_a_file_without_a_box_is_refused(name: bytes) -> None:
    data = lossless(garment()).replace(name, b"free")
    assert status(data) in {Status.UNREADABLE, Status.UNSUPPORTED}


def test_a_truncated_file_is_unreadable() -> None:
    items, references = tiled(noise(40, 72))
    data = heif(items, references)
    lengths = [*range(30, 1_200), *range(1_200, len(data), 97), len(data) - 1]
    assert {status(data[:length]) for length in lengths} == {Status.UNREADABLE}


def test_pieces_that_overlap_are_too_large() -> None:
    data = [heif([one()], copies=copies) for copies in (1, 2, 30)]
    assert list(map(status, data)) == [Status.OK, Status.UNREADABLE, Status.TOO_LARGE]


def test_the_notice_names_the_libraries_that_are_loaded() -> None:
    found = pi_heif.libheif_info()
    decoder = found["decoders"]["libde265"].rpartition(" ")[2]
    package = metadata.version("pi-heif-decoder")
    notice = (ROOT / "NOTICE").read_text()
    assert f"libheif {found['libheif']}, libde265 {decoder}" in notice
    assert f"pi-heif-decoder {package}" in notice
    for source in (f"libheif/tree/v{found['libheif']}", f"libde265/tree/v{decoder}"):
        assert f"https://github.com/strukturag/{source}" in notice
    assert "LESSER" in (ROOT / "licenses" / "LGPL-3.0.txt").read_text()
    assert set(found["encoders"]) == {"mask"}, "x265 has the GPL"


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIF"),
        (b"heix\0\0\0\0mif1", "HEIF"),
        (b"msf1\0\0\0\0msf1hevc", "HEIF"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"crx \0\0\0\0isom", None),
        (b"isom\0\0\0\0avc1", None),
    ],
)
def test_brands_decide_which_container_is_a_heif(brands: bytes, expected: str | None) -> None:
    head = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands
    assert format_of(head + bytes(100)) == expected
