"""The limit of stability: how large a rate may be if a method is to settle."""

from __future__ import annotations

from typing import Any

import numpy as np

from paratrooper_ref.noise_floor._count import count


def largest_rate(curvature: Any, *, k: int = 1, alpha: Any = 1.0) -> Any:
    """Return the rate below which Lookahead(SGD) settles, and SGD for k = α = 1.

    It settles where |1 − α + α r^k| < 1, that is −(2 − α) / α < r^k < 1.  For even k that is
    |r| < 1 and γ < 2 / a, as for SGD.  For odd k r may fall below −1, as far as
    γ < (1 + ((2 − α) / α)^(1/k)) / a: the fast weights grow, the slow step outweighs it.

    Parameters
    ----------
    curvature : float or array
        The largest a, > 0.
    k : int
        >= 1.
    alpha : float or array
        In (0, 1].

    Returns
    -------
    float or array
        Of the shape of curvature and alpha together.

    Raises
    ------
    ValueError
        If alpha or k is out of its range, or a curvature is not positive.

    Examples
    --------
    >>> print([round(largest_rate(1.0, k=k, alpha=0.5), 4) for k in (5, 6, 7)])
    [2.2457, 2.0, 2.1699]
    """
    if not np.all((np.asarray(alpha) > 0) & (np.asarray(alpha) <= 1)):
        msg = f"largest_rate needs alpha in (0, 1], got alpha={alpha!r}"
        raise ValueError(msg)
    if not np.all(np.asarray(curvature) > 0):
        msg = f"largest_rate needs a curvature > 0, got curvature={curvature!r}"
        raise ValueError(msg)
    if not isinstance(alpha, int | float):
        alpha = np.asarray(alpha)  # a list, say; a plain number gives a plain number
    odd = count("largest_rate", "k", k, 1) % 2
    below = ((2 - alpha) / alpha) ** (1 / k) if odd else alpha / alpha  # of −r, of alpha's shape
    return (1 + below) / curvature
