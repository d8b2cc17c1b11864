"""Minimizes a smooth convex function with L-BFGS (Liu and Nocedal, 1989)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating]  #: of any shape
#: Value and gradient at a point.
Objective = Callable[[Vector], tuple[float, Vector]]

#: Pairs of steps and changes of the gradient that estimate the curvature.
MEMORY = 10
#: Share of the decrease predicted by the slope that a step must achieve.
SUFFICIENT = 1e-4
#: Halvings of a step before the rounding of the values is taken for the reason.
MAX_HALVINGS = 20


def minimize(
    objective: Objective, start: Vector, *, tolerance: float, max_steps: int
) -> tuple[Vector, int]:
    """The point where the gradient's norm is below `tolerance`, and the number of steps to it."""
    point = start
    value, gradient = objective(point)
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=MEMORY)
    for step in range(max_steps):
        norm = float(np.linalg.norm(gradient))
        if norm < tolerance:
            return point, step
        direction = _direction(gradient, pairs)
        slope = _dot(direction, gradient)
        if slope >= 0:  # rounding has spoilt the curvature
            pairs.clear()
            direction, slope = -gradient, -norm * norm
        length = 1.0 if pairs else min(1.0, 1.0 / norm)
        for _ in range(MAX_HALVINGS):
            moved = point + length * direction
            new_value, new_gradient = objective(moved)
            if new_value <= value + SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            return point, step
        change = new_gradient - gradient
        if (curvature := _dot(moved - point, change)) > 0:
            pairs.append((moved - point, change, curvature))
        point, value, gradient = moved, new_value, new_gradient
    return point, max_steps


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector, float]]) -> Vector:
    """Minus the estimated inverse Hessian times the gradient (the two-loop recursion)."""
    direction = -gradient
    shares = []
    for moved, change, curvature in reversed(pairs):
        share = _dot(moved, direction) / curvature
        shares.append(share)
        direction = direction - share * change
    if pairs:
        _, change, curvature = pairs[-1]
        direction = direction * (curvature / _dot(change, change))
    for (moved, change, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + (share - _dot(change, direction) / curvature) * moved
    return direction


def _dot(one: Vector, other: Vector) -> float:
    return float(np.vdot(one, other))
