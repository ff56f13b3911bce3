"""Slices of a loss surface, and how convex they are.

    center = problem.minimizers[0]
    plane = cut(problem, center, random_directions(problem, center))
    convexity(plane).ratio

A slice is the loss on a line or a plane through a point.  What it looks like depends on the
directions and on how they are normalised; what it measures is said in `convexity`.
"""

from paratrooper_ref.landscape.convexity import Convexity, convexity
from paratrooper_ref.landscape.directions import (
    Eigen,
    Principal,
    eigen_directions,
    principal_directions,
    random_directions,
    walk_shares,
)
from paratrooper_ref.landscape.points import Direction
from paratrooper_ref.landscape.slices import Slice, cut, interpolation

__all__ = [
    "Convexity",
    "Direction",
    "Eigen",
    "Principal",
    "Slice",
    "convexity",
    "cut",
    "eigen_directions",
    "interpolation",
    "principal_directions",
    "random_directions",
    "walk_shares",
]
