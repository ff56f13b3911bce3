"""Numbers and places, spelled for people."""

from __future__ import annotations

import math
from typing import Final

from paratrooper_ref.conformance.verdict import Share

SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(x: float) -> str:
    """Return a number for people.

    Examples
    --------
    >>> [short(x) for x in (0.0, 0.4, 12.34, 999.9, 15812.3, 1e-9, float("inf"), float("nan"))]
    ['0', '0.400', '12.3', '1000', '1.58 × 10⁴', '1.00 × 10⁻⁹', '∞', 'NaN']
    """
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    if 1e-3 <= abs(x) < 1e4:
        said = f"{x:#.3g}"
        return f"{float(said):.0f}" if "e" in said else said.rstrip(".")
    digits, _, power = f"{x:.2e}".partition("e")
    return f"{digits} × 10{str(int(power)).translate(SUPERSCRIPTS)}"


def in_full(x: float) -> str:
    """Return every digit of a number, with minus signs in place of hyphens."""
    return repr(float(x)).replace("-", "−")


def place(at: Share) -> str:
    """Return where a number is, in words."""
    return f"{at.tag} of {at.layer}[{at.index}], t\u00a0=\u00a0{at.t}"
