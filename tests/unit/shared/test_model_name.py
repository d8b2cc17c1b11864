"""A model is named NAME, NAME@VERSION or NAME@ALIAS; any other name is refused."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UsageError
from shared.messages.model_name import ModelName, parse

MAX_VERSION = (1 << 31) - 1


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("", ModelName("fashion-mnist", None, "production")),
        ("shoes", ModelName("shoes", None, "production")),
        ("shoes@3", ModelName("shoes", 3, None)),
        ("fashion-mnist@0", ModelName("fashion-mnist", 0, None)),
        ("shoes@2147483647", ModelName("shoes", 2_147_483_647, None)),
        ("shoes@canary", ModelName("shoes", None, "canary")),
    ],
)
def test_a_name_refers_to_a_version_or_an_alias(text: str, model: ModelName) -> None:
    assert parse(text) == model


@pytest.mark.parametrize(
    "text",
    [
        "a@", "@", "a@b@c", "../a", "a/b", "/tmp/model.keras", "A", "a@../1", "a@-1", "a@1.0/2",
        "a b", "a\n", "a@1\n", ".hidden", "a@²", "a@٣", "hf://a", f"a@{MAX_VERSION + 1}", "x" * 65,
    ],
)  # fmt: skip
def test_any_other_text_is_refused_with_one_line_that_contains_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="NAME@VERSION") as error:
        parse(text)
    assert "\n" not in str(error.value)


@given(st.text("a1@./\\-_~%:", max_size=12) | st.text())
def test_an_accepted_name_is_one_part_of_a_path_that_leads_nowhere_else(text: str) -> None:
    try:
        model = parse(text)
    except UsageError:
        return
    assert (model.version is None) == (model.alias is not None)
    for name in filter(None, (model.name, model.alias)):
        assert PurePath("models", name).parent == PurePath("models")
        assert name.isascii()
        assert name.isprintable()
        assert name[0] not in ".-~"
        assert not set(name) & set(" /\\%:")
