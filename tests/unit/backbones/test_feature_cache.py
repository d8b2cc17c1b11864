"""The cache of features: what it returns is what was stored, and it stays within its bound."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from worker.backbones.feature_cache import FeatureCache

ROW_BYTES = 40
OVERHEAD_BYTES = 36


def digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def row(number: int) -> bytes:
    return bytes([number % 256]) * ROW_BYTES


def cache_in(folder: Path, key: str = "key", max_bytes: int = 1 << 20) -> FeatureCache:
    return FeatureCache(folder, key, ROW_BYTES, max_bytes)


def fill(cache: FeatureCache, numbers: range) -> None:
    cache.add({digest(number): row(number) for number in numbers})


def packs(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.pack"))


def test_rows_are_found_by_this_and_by_later_processes(tmp_path: Path) -> None:
    first = cache_in(tmp_path)
    fill(first, range(5))
    fill(first, range(5, 7))
    for cache in (first, cache_in(tmp_path)):
        assert [cache.get(digest(number)) for number in range(7)] == [row(n) for n in range(7)]
        assert cache.get(digest(7)) is None


@pytest.mark.parametrize("place", range(0, 3 * (ROW_BYTES + OVERHEAD_BYTES), 5))
def test_a_damaged_row_is_missing_and_the_others_are_right(place: int, tmp_path: Path) -> None:
    fill(cache_in(tmp_path), range(3))
    (pack,) = packs(tmp_path)
    data = bytearray(pack.read_bytes())
    data[place] ^= 1
    pack.write_bytes(data)
    found = [cache_in(tmp_path).get(digest(number)) for number in range(3)]
    assert sum(one is None for one in found) == 1
    assert all(one in (None, row(number)) for number, one in enumerate(found))


@pytest.mark.parametrize("size", [0, 1, 39, 76, 100, 227])
def test_a_truncated_pack_returns_nothing_wrong(size: int, tmp_path: Path) -> None:
    fill(cache_in(tmp_path), range(3))
    (pack,) = packs(tmp_path)
    os.truncate(pack, size)
    cache = cache_in(tmp_path)
    assert all(cache.get(digest(number)) in (None, row(number)) for number in range(3))
    fill(cache, range(3))
    again = cache_in(tmp_path)
    assert [again.get(digest(number)) for number in range(3)] == [row(n) for n in range(3)]


def test_a_part_of_a_killed_process_is_no_pack(tmp_path: Path) -> None:
    fill(cache_in(tmp_path), range(3))
    (pack,) = packs(tmp_path)
    pack.rename(pack.with_name(f".{pack.name}.host.17"))
    assert cache_in(tmp_path).get(digest(0)) is None


def test_above_the_bound_the_packs_that_were_not_used_are_deleted(tmp_path: Path) -> None:
    pack_bytes = 10 * (ROW_BYTES + OVERHEAD_BYTES)
    cache = cache_in(tmp_path, max_bytes=3 * pack_bytes)
    for start in range(0, 40, 10):
        fill(cache_in(tmp_path), range(start, start + 10))
    for age, pack in enumerate(packs(tmp_path)):
        os.utime(pack, (1e9 + age, 1e9 + age))
    cache = cache_in(tmp_path, max_bytes=3 * pack_bytes)
    cache.get(digest(0))
    fill(cache, range(50, 60))
    cache.mark_used()
    cache.trim()
    assert len(packs(tmp_path)) == 3
    left = cache_in(tmp_path)
    assert left.get(digest(0)) == row(0)
    assert left.get(digest(55)) == row(55)


def test_the_bound_holds_for_all_keys_together(tmp_path: Path) -> None:
    fill(cache_in(tmp_path, "old"), range(10))
    new = cache_in(tmp_path, "new", max_bytes=10 * (ROW_BYTES + OVERHEAD_BYTES))
    fill(new, range(10))
    new.trim()
    assert [pack.parent.name for pack in packs(tmp_path)] == ["new"]
