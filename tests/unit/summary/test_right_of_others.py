"""What a version of first labels has right of the images without a name: its training, its card and
its reports state the same share and range."""

from __future__ import annotations

import click
from msgspec.structs import replace

from producer.models.show import facts
from producer.summary.training_text import training_lines
from shared.messages.model_card import Metrics, RightOfOthers
from shared.messages.replies import Decided, Trained
from shared.registry import packaged

RIGHT = RightOfOthers(28, 0.66, 0.51, 0.79)
RANGE = "51 to 79%, from 28 drawn by chance"


def test_a_training_states_it_before_the_figure_on_what_was_named() -> None:
    trained = Trained(
        "photos@1", Metrics(0.9, 211, 0.4, 0.03), Decided("production", 1, None, True, "first"), 3.0
    )
    stated = training_lines(replace(trained, right_of_others=RIGHT), {})
    text = click.unstyle("\n".join(stated))
    assert RANGE in text
    assert text.index("66.0%") < text.index("90.0%")
    assert "without a name" not in "\n".join(training_lines(trained, {}))


def test_its_card_states_it() -> None:
    stated = dict(facts(replace(packaged.card(), right_of_others=RIGHT)))["others"]
    assert "66%" in stated
    assert RANGE in stated
    assert "others" not in dict(facts(packaged.card()))
