"""A golden case as named arrays, for containers of arrays, and the digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from paratrooper_ref.golden import text
from paratrooper_ref.golden.content import facts
from paratrooper_ref.golden.document import Golden, Value
from paratrooper_ref.lines import TAGS


def arrays(golden: Golden) -> dict[str, np.ndarray[Any, Any]]:
    """Return all that a case holds as named arrays, for containers of arrays.

    "about" has the rest of the content as canonical JSON, in bytes.  Names are paths, such as
    "steps/0/lines/w/m/hi"; a flag is an array of one byte, an absent `lo` is not there, and the
    shapes are those of the layers.
    """
    named: dict[str, np.ndarray[Any, Any]] = {}

    def put(path: str, value: Value | bool | None, shape: tuple[int, ...]) -> None:
        if isinstance(value, bool):
            named[path] = np.array([value], dtype=np.uint8)
        elif value is not None:
            named[f"{path}/hi"] = value.hi.reshape(shape)
            if value.lo.any():
                named[f"{path}/lo"] = value.lo.reshape(shape)

    for i, step in enumerate(golden.steps):
        for layer, shape in golden.layers.items():
            for slot, value in step.inputs[layer].items():
                put(f"steps/{i}/inputs/{layer}/{slot}", value, shape)
            for tag, line in step.lines[layer].items():
                extent = shape if TAGS[tag].extent == "element" else ()
                put(f"steps/{i}/lines/{layer}/{tag}", line, extent)
        for tag, value in step.model.items():
            put(f"steps/{i}/model/{tag}", value, ())
    named["about"] = np.frombuffer(facts_text(golden).encode(), dtype=np.uint8)
    return named


def facts_text(golden: Golden) -> str:
    """Return all that a case says besides inputs and lines, as canonical JSON."""
    return text.write(facts(golden)).decode()


def digest(golden: Golden) -> str:
    """Return the content digest of a case, the same in every container.

    SHA-256 over the arrays of `arrays`, by sorted name: name, a zero byte, "f8" or "u1", a zero
    byte, the shape in decimal with commas, a zero byte, and the payload, doubles with their
    highest byte first.
    """
    return digest_of(arrays(golden))


def digest_of(named: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Return the content digest of named arrays, see `digest`."""
    whole = hashlib.sha256()
    for name in sorted(named):
        x = named[name]
        kind, stored = ("f8", ">f8") if x.dtype.kind == "f" else ("u1", "u1")
        head = "\0".join((name, kind, ",".join(map(str, x.shape)), ""))
        whole.update(head.encode() + x.astype(stored).tobytes())
    return whole.hexdigest()
