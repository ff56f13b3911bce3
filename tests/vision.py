"""Colours as they are seen, by eyes with all three kinds of cones and by eyes without one.

Matrices of linear RGB from Machado, Oliveira and Fernandes, IEEE Trans. Vis. Comput. Graph. 15
(2009), at full severity; distances are those of CIE L*a*b* (1976), white D65.
"""

from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np

VISIONS: dict[str, Any] = {
    "all": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])


def seen(color: Any, vision: str) -> Any:
    """Return a colour of sRGB as L*, a* and b*."""
    srgb = np.array(mpl.colors.to_rgb(color))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(VISIONS[vision]) @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: Any, other: Any) -> float:
    """Return the distance of two colours to the eyes that tell them apart least."""
    return min(float(np.linalg.norm(seen(one, v) - seen(other, v))) for v in VISIONS)


def least_apart(colors: Any) -> float:
    """Return the least distance of any two of some colours."""
    return min(apart(one, other) for one, other in combinations(colors, 2))
