"""The same bits on every machine: here with the CPU's dispatched features on and off.

The digest was made once and is compared by every run, whatever NumPy release and machine it is
on; the tests are run with NumPy 1.26 as well as with the current one.
"""

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import paratrooper_ref as pr

# SHA-256 of `digest()`; it changes only with the algorithms themselves.
DIGEST = "0cd58b126202be31873e44fd15dc22e57debd050124ac5b5f65bbcbfb37e5765"

FAMILY: list[pr.Optimizer] = [
    pr.SGD(momentum=0.9, nesterov=True, weight_decay=0.01),
    pr.Adam(weight_decay=0.01),
    pr.AdamW(),
    pr.RAdam(weight_decay=0.01),
    pr.RAdamW(l2=0.01),
    pr.LARS(),
    pr.LARS(form="2019"),
    pr.LAMB(),
    pr.Lookahead(inner=pr.AdamW()),
    pr.Ranger(),
    pr.RangerLars(lower=1),
    pr.Paratrooper(warmup="momentum"),
]
SHAPES = {"scalar": (), "matrix": (3, 5), "long": (1025,)}


def numbers(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers between -2 and 2 of a generator that fits in a line: 48 bits, no libm."""
    found, x = [], seed
    for _ in range(int(np.prod(shape))):
        x = (25214903917 * x + 11) % 2**48
        found.append((x >> 16) / 2**30 - 2)
    return np.array(found).reshape(shape)


def digest() -> str:
    """Return a digest of the states and lines of 20 steps, in two dtypes and all scalar modes."""
    bits = hashlib.sha256()
    for optimizer in FAMILY:
        for dtype in (np.float64, np.float32):
            for scalars in ("exact", "float64", "array"):
                start = {k: numbers(i, s).astype(dtype) for i, (k, s) in enumerate(SHAPES.items())}
                state = optimizer.init(start, scalars=scalars)
                for t in range(1, 21):
                    grads = {
                        k: numbers(1000 * t + i, s).astype(dtype)
                        for i, (k, s) in enumerate(SHAPES.items())
                    }
                    state, lines = optimizer.step(state, grads)
                for slot in ("theta", *optimizer.slots()):
                    for x in state.slot(slot).values():
                        bits.update(x.tobytes())
                for tags in lines.values():
                    for tag, value in tags.items():
                        bits.update(tag.encode() + np.asarray(value).tobytes())
    return bits.hexdigest()


def dispatched() -> list[str]:
    """Return the CPU features that NumPy chooses code by, as this release names them."""
    core = "numpy._core" if np.__version__ >= "2" else "numpy.core"
    umath = importlib.import_module(f"{core}._multiarray_umath")
    return [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]


def test_bits_are_the_stored_ones() -> None:
    """Only correctly rounded operations occur, in a fixed order: one digest for all machines."""
    assert digest() == DIGEST


def test_bits_do_not_depend_on_the_cpu_features() -> None:
    """With every dispatched feature off NumPy runs other code, and the digest is the same."""
    names = dispatched()
    off = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(names)}
    root = Path(pr.__file__).parents[1]
    code = "from tests.test_portability import digest, dispatched; print(digest(), *dispatched())"
    here = Path(__file__).parents[1]

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=off | {"PYTHONPATH": os.pathsep.join([str(here), str(root)])},
        capture_output=True, text=True, check=True,
    )

    bits, *left = done.stdout.split()
    assert bits == DIGEST
    assert not names or len(left) < len(names)
