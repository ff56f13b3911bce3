"""Derived copies of a case in other containers; each carries the content digest."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from paratrooper_ref.golden.arrays import arrays, digest_of, facts_text
from paratrooper_ref.golden.bits import to_hex
from paratrooper_ref.golden.document import Golden

Array = np.ndarray[Any, Any]


def npz(golden: Golden) -> bytes:
    """Return a NumPy archive of the arrays, without pickle, and "digest", a string."""
    named = arrays(golden)
    file = io.BytesIO()
    np.savez_compressed(file, digest=np.array(digest_of(named)), **named)  # type: ignore[arg-type]
    return file.getvalue()


def safetensors(golden: Golden) -> bytes:
    """Return a safetensors file of the arrays: F64 and U8, the digest in its metadata."""
    named = arrays(golden)
    head: dict[str, Any] = {
        "__metadata__": {"case": golden.case, "content-sha256": digest_of(named)}
    }
    payload = b""
    for name in sorted(named, key=lambda name: (-named[name].itemsize, name)):
        x = named[name]
        part = x.astype("<f8" if x.dtype.kind == "f" else "u1").tobytes()
        head[name] = {
            "dtype": "F64" if x.dtype.kind == "f" else "U8",
            "shape": list(x.shape),
            "data_offsets": [len(payload), len(payload) + len(part)],
        }
        payload += part
    header = json.dumps(head, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the payload begins at a multiple of eight
    return len(header).to_bytes(8, "little") + header + payload


def c_header(golden: Golden) -> bytes:
    """Return a C99 header: bit patterns for each array, t and rate of each step, all facts as text.

    The arrays are called GROUP_NAME__steps__0__lines__LAYER__TAG__hi and so on.
    """
    named = arrays(golden)
    stem = _identifier(golden.case)
    rows = [
        f"/* {golden.case} of the paratrooper-ref golden corpus: bit patterns of doubles. */",
        f"#ifndef {stem.upper()}_H",
        f"#define {stem.upper()}_H",
        "#include <stdint.h>",
        f'#define {stem.upper()}_CONTENT_SHA256 "{digest_of(named)}"',
        f"#define {stem.upper()}_STEPS {len(golden.steps)}",
        f"static const int64_t {stem}__t[] = {{{', '.join(str(s.t) for s in golden.steps)}}};",
        f"static const uint64_t {stem}__lr[] = {{{_patterns([s.lr for s in golden.steps])}}};",
        f"static const char {stem}__about[] = /* canonical JSON: spec, layers, catches, steps */",
        *(f"    {json.dumps(line)}" for line in facts_text(golden).splitlines(keepends=True)),
        "    ;",
    ]
    taken: set[str] = set()
    for name, x in named.items():
        if name == "about":
            continue
        declared = _identifier(stem, *name.split("/"))
        if declared in taken:
            msg = f"two arrays of {golden.case} would be called {declared} in C"
            raise ValueError(msg)
        taken.add(declared)
        kind = "uint64_t" if x.dtype.kind == "f" else "uint8_t"
        numbers = x.dtype.kind == "f"
        shown = _patterns(x) if numbers else ", ".join(str(int(a)) for a in x.flat)
        rows.append(f"static const {kind} {declared}[{x.size}] = {{{shown}}};")
    return ("\n".join([*rows, "#endif", ""])).encode("ascii")


def _patterns(x: Any) -> str:
    return ", ".join(f"0x{word}ULL" for word in to_hex(x).split())


def _identifier(*parts: str) -> str:
    return "__".join(re.sub(r"[^A-Za-z0-9]", "_", part) for part in parts)


CONTAINERS: Final[Mapping[str, tuple[str, Callable[[Golden], bytes]]]] = {
    "npz": (".npz", npz),
    "safetensors": (".safetensors", safetensors),
    "c-header": (".h", c_header),
}
"""By the name of a container: the ending of its files, and what makes them."""
