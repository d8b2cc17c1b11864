"""A header of a tar archive means what Python's tarfile reads in it."""

from __future__ import annotations

import tarfile
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.sources.archives.tar_archive import BLOCK, BadBlock, parsed

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_LONGNAME, b"\0")
names = st.text("aé/._ ", min_size=1, max_size=90).filter(lambda name: name.strip("/"))


@given(
    names,
    st.integers(0, 1 << 33),
    st.integers(0, 1 << 32),
    st.sampled_from(KINDS),
    st.sampled_from(FORMATS),
)
def test_each_field_is_that_of_tarfile(
    name: str, size: int, time: int, kind: bytes, form: Literal[0, 1, 2]
) -> None:
    info = tarfile.TarInfo(name.strip("/"))
    info.size, info.mtime, info.type = size % (1 << 33), time, kind
    block = info.tobuf(form, "utf-8")[-BLOCK:]
    expected = tarfile.TarInfo.frombuf(block, "latin-1", "strict")
    found = parsed(block)
    assert found is not None
    assert found.name.rstrip(b"/").decode("latin-1") == expected.name.rstrip("/")
    assert (found.size, found.time_s, found.kind) == (expected.size, expected.mtime, kind)


@given(st.binary(min_size=BLOCK, max_size=BLOCK), st.integers(0, BLOCK - 1))
def test_other_blocks_are_refused(block: bytes, at: int) -> None:
    header = tarfile.TarInfo("a.png").tobuf(tarfile.USTAR_FORMAT)
    changed = header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]
    for other in (block, block[:-1], changed):
        try:
            tarfile.TarInfo.frombuf(other, "latin-1", "strict")
        except tarfile.HeaderError:
            if other.strip(b"\0"):
                with pytest.raises(BadBlock):
                    parsed(other)
