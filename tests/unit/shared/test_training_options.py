"""An option of a training is declared once: what is typed, checked and repeated follows from it."""

from __future__ import annotations

import re

import pytest

from shared.errors import UsageError
from shared.messages.training import Train, check
from shared.options import flag, options_of
from shared.recipes import RECIPES

REFUSED = [
    (recipe.name, field)
    for recipe in RECIPES.values()
    for field, option in options_of(Train).items()
    if not option.applies(recipe)
]


@pytest.mark.parametrize(("recipe", "field"), REFUSED)
def test_an_option_that_does_not_apply_names_recipes_that_have_it(recipe: str, field: str) -> None:
    with pytest.raises(UsageError) as error:
        check(recipe, "/photos", [field])
    assert str(error.value).startswith(
        f"{flag(Train, field)} does not apply to the recipe {recipe}; "
    )
    named = re.split(", | or ", str(error.value).partition("--recipe ")[2])
    for other in named:
        check(other, "/photos", [field])
