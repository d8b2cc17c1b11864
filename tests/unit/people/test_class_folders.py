"""Which folders are named like dates, or by a camera: none of them is proposed as a label."""

from __future__ import annotations

import pytest

from producer.people.existing_labels import is_date_or_camera


@pytest.mark.parametrize(
    "name",
    [
        "2023", "1987", "2022-2023", "2023-05", "2023_05", "2023.05", "202305", "05-2023",
        "2023-05-01", "2023_5_1", "20230501", "20230501_1200", "2023-05-01 beach", "2023-05 Rome",
        "01.05.2023", "1-5-2023", "01.05.23", "05", "12", "May", "may 2023", "2023 May",
        "2023-may-01", "1 May 2023", "sept_2021", "December", "DCIM", "100CANON", "101MSDCF",
        "100_FUJI", "102_PANA", "100APPLE",
    ],
)  # fmt: skip
def test_dates_and_folders_of_cameras_are_recognized(name: str) -> None:
    assert is_date_or_camera(name)


@pytest.mark.parametrize(
    "name",
    [
        "Coat", "1", "7", "13", "00", "2023-13", "1850", "2100s", "20235", "1950s", "size 2023x",
        "maybe", "mar", "marble", "march hare", "decor", "junebug", "42 hats", "100", "100meter",
        "T-shirt", "4x4", "dcims", "camera",
    ],
)  # fmt: skip
def test_other_names_are_not(name: str) -> None:
    assert not is_date_or_camera(name)
