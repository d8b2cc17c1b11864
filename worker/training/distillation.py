"""Distils teachers into a student: it learns their mean logits on the images that it sees itself.

Hinton, Vinyals and Dean, arXiv:1503.02531; the same augmented view for both, Beyer et al.,
arXiv:2106.05237. Only the loss changes: loss and accuracy of the history are on the true labels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

#: The logits of both sides are divided by it. Times its square the gradients have the size of those
#: on the true labels.
TEMPERATURE = 1.0
#: The weight of the teachers' distribution; the rest is that of the true label. Both were chosen by
#: the held-out loss with three teachers of the recipe: `fast`, 5,000 images, 10 epochs, one seed:
#: 0.305 without teachers, 0.294 with these, 0.306 at (2, 0.9); `tutorial`, 3,000 images, 40 epochs,
#: three seeds: 0.488, 0.482 and 0.486.
SHARE = 0.5


class Teacher(NamedTuple):
    """A trained network, uint8 images in, logits out."""

    identity: str  #: differs for other weights, among teachers for the same recipe and data
    network: keras.Model


class Ensemble(NamedTuple):
    """The teachers of one student, at least one."""

    teachers: tuple[Teacher, ...]

    @property
    def identity(self) -> str:
        """Identifies the student's targets, beside its own recipe and data."""
        names = ", ".join(teacher.identity for teacher in self.teachers)
        return f"taught with {SHARE:g} at {TEMPERATURE:g} by {names}"

    def targets(self, images: Any) -> Any:
        """The softened distribution of the mean logits, float32 [n, classes]."""
        # One view of each image: recipes that mirror show both in turn, and a second pass would
        # cost a student of three teachers another epoch's time for each epoch.
        logits = [teacher.network(images, training=False) for teacher in self.teachers]
        return tf.nn.softmax(tf.add_n(logits) / (len(logits) * TEMPERATURE))


def mixed(losses: Any, targets: Any, output: Any) -> Any:
    """The loss of each image: its cross-entropy on the true label, and that on the targets.

    `losses` [n] on the true labels, of the logits `output` [n, classes].
    """
    soft = tf.nn.softmax_cross_entropy_with_logits(targets, output / TEMPERATURE)
    return SHARE * TEMPERATURE**2 * soft + (1 - SHARE) * losses
