"""For any bytes, the decoder returns an image or raises ImageError, within limits.

The quick profile decodes some thousand fixed cases. For a longer run with new cases:
HANGTAG_FUZZ_MINUTES=15 HYPOTHESIS_PROFILE=full pytest tests/fuzz
"""

from __future__ import annotations

import os
import secrets
import tempfile
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.bytewise import BYTEWISE
from tests.fuzz.campaign import campaign
from tests.fuzz.cases import case, hostile
from tests.fuzz.damage_png import PNG
from tests.fuzz.seeds import seeds
from tests.fuzz.verdict import SPECS, check, check_plain
from tests.support.images.encoders import png

#: Read at import, before a fixture cleans the environment.
MINUTES = float(os.environ.get("HANGTAG_FUZZ_MINUTES", "0"))
#: Of the quick profile, the same each time, on a machine of any speed.
QUICK_CASES = 3_000

pytestmark = pytest.mark.timeout(300 + 120 * MINUTES)
randoms = st.randoms(use_true_random=False)


@given(randoms)
def test_a_damaged_image_is_decoded_or_raises_image_error(random: Random) -> None:
    data = hostile(random)
    for spec in SPECS:
        check(data, spec)


@given(randoms, st.sampled_from([0, 1, 9]))
def test_the_hot_path_returns_the_pixels_of_pillow_or_declines(random: Random, level: int) -> None:
    rows = random.randbytes(28 * 29) if random.random() < 0.5 else bytes(28 * 29)
    rows = bytes(value % 5 if at % 29 == 0 else value for at, value in enumerate(rows))
    assert check_plain(png((28, 28, 8, 0, 0), zlib.compress(rows, level)))
    early = rows[: random.choice((0, 1, 14 * 29, 27 * 29 + 3, 28 * 29))]
    data = png((28, 28, 8, 0, 0), zlib.compress(early, level))
    check_plain(data)
    check_plain(random.choice((*PNG, *BYTEWISE))(data, random))


def test_no_case_exceeds_the_limits_of_memory_and_time(request: pytest.FixtureRequest) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ht-fuzz-"))  # not removed: it has the bytes of findings
    seed = secrets.token_hex(4) if MINUTES else "quick"
    if MINUTES:
        outcome = campaign(seed, folder, seconds=60 * MINUTES)
    else:
        outcome = campaign(seed, folder, cases=QUICK_CASES)
    print(f"seed {seed}: {outcome}")
    # `record_property` of pytest warns without pytest-xdist, which `make fuzz` does not use.
    figures = (("cases", outcome.cases), ("bytes", outcome.size_bytes))
    request.node.user_properties.extend(figures)
    assert not outcome.findings, "\n".join(map(str, outcome.findings))
    assert MINUTES or outcome.cases == QUICK_CASES


def test_many_cases_of_every_format_are_decodable() -> None:
    """Otherwise the cases would only test the parsing of headers."""
    good = [data[:12] for n in range(1_500) if check(data := case("quick", n), SPECS[1])]
    assert len(good) > 200
    assert {magic[:2] for magic in good} >= {
        b"\x89P",
        b"\xff\xd8",
        b"GI",
        b"II",
        b"BM",
        b"RI",
        b"\0\0",
    }
    assert {magic[4:] for magic in good} >= {b"ftypavif", b"ftypheic"}


def test_the_seeds_are_images_of_every_format() -> None:
    refused = {name for name, data in seeds().items() if not check(data, SPECS[1])}
    assert all(name.startswith("LAB-") for name in refused)
    assert len(seeds()) > 100
