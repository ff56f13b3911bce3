"""Numbers on the command line, refused in a sentence."""

from __future__ import annotations

import argparse


def integer(text: str) -> int:
    """Return an integer."""
    try:
        return int(text)
    except ValueError:
        msg = f"an integer is needed, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from None


def count(text: str) -> int:
    """Return an integer of 1 or more, such as a number of processes."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"an integer of 1 or more is needed, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
