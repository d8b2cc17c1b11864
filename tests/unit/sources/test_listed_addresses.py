"""The secret address of a row is found by the number of its line, however long the list is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from producer.inputs.job_options import JobOptions
from producer.sources.remote.address import named
from producer.sources.remote.remote_source import ListedAddresses
from shared.errors import SetupError


@pytest.mark.parametrize(("list0", "end"), [(False, b"\n"), (False, b"\r\n"), (True, b"\0")])
@pytest.mark.parametrize("has_end", [True, False])
def test_any_address_is_found_by_its_line(
    list0: bool, end: bytes, has_end: bool, tmp_path: Path
) -> None:
    count = 30_000  # of more than a block
    lines = [b"https://h/%d.png?s=%s" % (n, b"x" * (n % 97)) for n in range(count)]
    lines[3] = b""  # an empty line has a number, too
    (tmp_path / "list").write_bytes(end.join(lines) + end * has_end)
    options = JobOptions((), b"/", "", list_file=bytes(tmp_path / "list"), list0=list0)
    addresses = ListedAddresses(options, None)
    for n in [0, 1, 2, count - 1, *random.Random(1).sample(range(4, count), 60)]:
        assert addresses.of(named(lines[n], n)) == lines[n]
    assert sorted(addresses.web_addresses()) == sorted(filter(None, lines))
    for n in (2, 3, count):  # another line, an empty one, and none
        with pytest.raises(SetupError, match=f"its line {n + 1} is another address"):
            addresses.of(named(lines[7], n))
    addresses.close()
