"""AdamW as a kernel of CUDA for CuPy, written from its published algorithm alone.

For each element, at step t, with what is formed of t alone on the host::

    m = β1 m + (1 - β1) g;   v = β2 v + (1 - β2) g²
    θ = (1 - α λ) θ - α / (1 - β1^t) m / (√v / √(1 - β2^t) + ε)

The source is C++ as well, but for a few words of CUDA that `SHIM` defines: where there is no GPU it
is compiled for the CPU, so that its lines are held to the corpus there too, one thread at a time.

Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib import import_module
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance import KernelBackend, Profile

BLOCK: Final = 64

SOURCE: Final = r"""
extern "C" __global__ void adamw(
    REAL* theta, const REAL* g, REAL* m, REAL* v, const REAL* scalars, long long n)
{
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= n) return;
    const REAL beta1 = scalars[0], rest1 = scalars[1], beta2 = scalars[2], rest2 = scalars[3];
    const REAL kept = scalars[4], rate = scalars[5], correction = scalars[6], eps = scalars[7];
    m[i] = beta1 * m[i] + rest1 * g[i];
    v[i] = beta2 * v[i] + rest2 * (g[i] * g[i]);
    theta[i] = kept * theta[i] - rate * (m[i] / (sqrt(v[i]) / correction + eps));
}
"""
"""In CUDA C; REAL is the dtype."""

SHIM: Final = r"""
#include <cmath>
using std::sqrt;
#define __global__
static struct { long long x; } blockIdx, blockDim, threadIdx;
"""
"""What makes a program of one thread of it."""

LAUNCH: Final = r"""
extern "C" void launch(
    long long blocks, long long threads, REAL* theta, const REAL* g, REAL* m, REAL* v,
    const REAL* scalars, long long n)
{
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
            adamw(theta, g, m, v, scalars, n);
}
"""

REAL: Final = {"float32": "float", "float64": "double"}

Launch = Callable[..., None]


def scalars(
    t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> list[float]:
    """Return what the kernel reads, formed in double."""
    return [
        beta1, 1 - beta1, beta2, 1 - beta2, 1 - lr * weight_decay, lr / (1 - beta1**t),
        sqrt(1 - beta2**t), eps,
    ]


def backend(profile: Profile, device: str) -> KernelBackend:
    """Return the kernel as a backend: on a CUDA device by CuPy, or compiled for the CPU."""
    of_device = on_cpu if device == "cpu" else on_cuda
    to, back, launch = of_device(profile.dtype, device)

    def update(
        theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
        eps: float, weight_decay: float,
    ) -> None:
        given = to(np.array(scalars(t, lr, beta1, beta2, eps, weight_decay)), profile.dtype)
        n = int(theta.size)
        launch(-(-n // BLOCK), theta, g, m, v, given, n)

    return KernelBackend(
        update, to=to, back=back, profile=profile, name=f"AdamW in CUDA C ({device})"
    )


def on_cuda(dtype: str, device: str) -> tuple[Any, Any, Launch]:
    """Return how arrays go to a device and come back, and how the kernel is launched there."""
    cupy: Any = import_module("cupy")
    on = cupy.cuda.Device(int(device.partition(":")[2] or 0))
    with on:
        options = (f"-DREAL={REAL[dtype]}",)
        kernel = cupy.RawModule(code=SOURCE, options=options).get_function("adamw")

    def to(x: Any, dtype: str) -> Any:
        with on:
            return cupy.array(x, dtype)

    def launch(blocks: int, *arguments: Any) -> None:
        *arrays, n = arguments
        with on:
            kernel((blocks,), (BLOCK,), (*arrays, np.int64(n)))

    return to, cupy.asnumpy, launch


def on_cpu(dtype: str, device: str) -> tuple[Any, Any, Launch]:
    """Return the same for the kernel compiled as C++."""
    compiler = cpp()
    if compiler is None:
        msg = "no C++ compiler is found"
        raise RuntimeError(msg)
    with tempfile.TemporaryDirectory() as place:
        source, library = Path(place, "adamw.cpp"), Path(place, "adamw.so")
        source.write_text(SHIM + SOURCE + LAUNCH)
        subprocess.run(
            [compiler, "-O2", f"-DREAL={REAL[dtype]}", "-shared", "-fPIC", source, "-o", library],
            check=True, capture_output=True,
        )
        kernel = ctypes.CDLL(str(library)).launch
    kernel.argtypes = [ctypes.c_longlong] * 2 + [ctypes.c_void_p] * 5 + [ctypes.c_longlong]
    kernel.restype = None

    def launch(blocks: int, *arguments: Any) -> None:
        *arrays, n = arguments
        kernel(blocks, BLOCK, *(x.ctypes.data for x in arrays), n)

    return np.array, np.array, launch


def cpp() -> str | None:
    """Return a C++ compiler, if there is one."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
