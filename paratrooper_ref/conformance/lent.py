"""Arrays that a backend is lent, or has lent itself: nobody may change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Lent:
    """Arrays by slot and layer, and what else a state has.

    Parameters
    ----------
    tables : mapping
        ``{slot: {layer: array or None}}``; what is no mapping is a number or a word.

    Attributes
    ----------
    given : dict
        The same arrays in mappings of their own, for the other side.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables
        self.given = {k: dict(v) if isinstance(v, Mapping) else v for k, v in tables.items()}
        self._copies = [
            (slot, layer, x, np.array(x))
            for slot, layers in tables.items() if isinstance(layers, Mapping)
            for layer, x in layers.items() if isinstance(x, (np.ndarray, np.generic))
        ]

    def lost(self, read: Mapping[str, Mapping[str, Any]]) -> tuple[str, str] | None:
        """Return slot and layer of the first array that is read as another than it was lent."""
        for slot, layer, _, was in self._copies:
            back = read.get(slot, {}).get(layer)
            if back is not None and not np.array_equal(np.asarray(back, dtype=was.dtype), was):
                return slot, layer
        return None

    def changed(self) -> tuple[str, str] | None:
        """Return slot and layer of the first array that is another now."""
        for slot, layer, x, was in self._copies:
            if x.shape != was.shape or x.tobytes() != was.tobytes():
                return slot, layer
        return None

    def exchanged(self) -> str:
        """Return what `given` has now and had not, in words; nothing if it is as it was."""
        if self.given.keys() != self.tables.keys():
            return "other slots"
        for slot, was in self.tables.items():
            now = self.given[slot]
            if not isinstance(was, Mapping):
                if type(now) is not type(was) or now != was:
                    return f"another {slot}"
            elif not isinstance(now, Mapping):
                return f"no layers in {slot}"
            elif now.keys() != was.keys():
                return f"other layers in {slot}"
            elif not all(_same(now[layer], x) for layer, x in was.items()):
                return f"other arrays in {slot}"
        return ""


def _same(now: Any, was: Any) -> bool:
    if not isinstance(was, np.ndarray):
        return now is was
    same = isinstance(now, np.ndarray) and (now.dtype, now.shape) == (was.dtype, was.shape)
    return same and now.tobytes() == was.tobytes()
