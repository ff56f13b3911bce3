"""Lengths in SVG."""


def px(x: float) -> str:
    """Return pixels, to a tenth."""
    return f"{x:.1f}".removesuffix(".0")


def per_cent(x: float) -> str:
    """Return per cent, to a thousandth."""
    return f"{x:.3f}".rstrip("0").rstrip(".") + "%"
