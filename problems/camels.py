r"""The camels: polynomials in x, tied to y, with several humps.

three_hump_camel
    2 x^2 - 1.05 x^4 + x^6/6 + x y + y^2.

    Minimum  0 at (0, 0); two further minima, two saddles.
    Start    (-2, 2), loss 1.8667.
    Teaches  local minima, and gradients that grow like x^5.
    Source   Jamil and Yang, arXiv:1308.4008.

six_hump_camel
    (4 - 2.1 x^2 + x^4/3) x^2 + x y + (-4 + 4 y^2) y^2.

    Minimum  -1.0316284534898774 at +-(0.0898, -0.7127).  All fifteen critical points are real
             and are declared: six minima, seven saddles, two maxima.
    Start    (-1.5, 1).
    Teaches  a minimum below zero, and symmetric basins.
    Source   Dixon and Szegö, Towards Global Optimization 2 (1978).
"""

import numpy as np

from problems._arithmetic import Array, lift
from problems._factory import factory
from problems._problem import Kind, Problem
from problems._vector import vector_problem


@factory
def three_hump_camel() -> Problem:
    """Return the three-hump camel.

    Examples
    --------
    >>> print(round(three_hump_camel().loss({"x": np.array([-2.0, 2.0])}), 4))
    1.8667
    """

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        x2 = x * x
        return x2 * (2 - x2 * (lift(1.05, p) - x2 / 6)) + x * y + y * y

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        x2 = x * x
        return np.stack([x * (4 - x2 * (4 * lift(1.05, p) - x2)) + y, x + 2 * y], axis=-1)

    local = [1.747552345830289, -0.8737761729151445]
    saddle = [1.07054229182366, -0.53527114591183]
    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=lambda p: np.array(
            [[4 - 12 * 1.05 * p[0] ** 2 + 5 * p[0] ** 4, 1.0], [1.0, 2.0]]
        ),
        starts=[[-2.0, 2.0]],
        minimizers=[[0.0, 0.0]],
        minimum=0.0,
        critical_points=[
            *((np.multiply(s, local), 0.2986384422368594, "minimum") for s in (1, -1)),
            *((np.multiply(s, saddle), 0.8773615577631402, "saddle") for s in (1, -1)),
        ],
        domain=(-5.0, 5.0),
        source="Jamil and Yang, arXiv:1308.4008",
        teaches="local minima, and gradients that grow like x^5",
    )


@factory
def six_hump_camel() -> Problem:
    """Return the six-hump camel.

    Examples
    --------
    >>> p = six_hump_camel()
    >>> print(p.loss(p.minimizers[0]) - p.minimum)
    0.0
    """

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        x2, y2 = x * x, y * y
        return x2 * (4 - x2 * (lift(2.1, p) - x2 / 3)) + x * y + y2 * (4 * y2 - 4)

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        x2, y2 = x * x, y * y
        along_x = x * (8 - x2 * (4 * lift(2.1, p) - 2 * x2)) + y
        return np.stack([along_x, x + y * (16 * y2 - 8)], axis=-1)

    found: list[tuple[list[float], float, Kind]] = [
        ([1.703606714969981, -0.7960835686726251], -0.2154638243837184, "minimum"),
        ([1.6071047529201974, 0.5686514548841314], 2.1042503103112575, "minimum"),
        ([1.1092053368047863, -0.7682680925095399], 0.543718600978185, "saddle"),
        ([1.6380679841897787, 0.22867406904439408], 2.2293571975307143, "saddle"),
        ([1.2960702671671092, 0.6050843880386585], 2.2294708180298595, "saddle"),
        ([1.2302298765166526, 0.16233458445899496], 2.496295351023577, "maximum"),
    ]
    best = [0.08984201310031806, -0.7126564030207396]
    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=lambda p: np.array(
            [
                [8 - 12 * 2.1 * p[0] ** 2 + 10 * p[0] ** 4, 1.0],
                [1.0, 48 * p[1] ** 2 - 8],
            ]
        ),
        starts=[[-1.5, 1.0]],
        minimizers=[best, np.negative(best)],
        minimum=-1.0316284534898774,
        critical_points=[
            ([0.0, 0.0], 0.0, "saddle"),
            *((np.multiply(s, p), value, kind) for p, value, kind in found for s in (1, -1)),
        ],
        domain=([-3.0, -2.0], [3.0, 2.0]),
        source="Dixon and Szegö, Towards Global Optimization 2 (1978)",
        teaches="a minimum below zero, and symmetric basins",
    )
