"""What is measured on a GPU: a row a backend, with the profile that is declared and the reason.

Nothing here asks for a GPU, or imports a framework, until a row does; `missing` says first what a
row has not got.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from paratrooper_ref.conformance import (
    Backend,
    Profile,
    Report,
    Result,
    TorchBackend,
    check,
)
from paratrooper_ref.conformance.gate import cases
from paratrooper_ref.conformance.infer import Inferred, infer
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    GRADIENT,
    KEEPS,
    UNSTABLE,
    UNSUPPORTED,
)
from paratrooper_ref.golden.corpus import Corpus, Manifest
from tests.gpu import adamw_cuda

DTYPES: Final = ("float32", "float64", "bfloat16")
NONE: Final = "cuda"  # the device of a machine that has none
SECONDS: Final = 60.0  # a step may take: the first one on a device loads much
COMPILES: Final = 900.0  # so may one before which some twenty small optimizers are compiled

Facts = Mapping[str, Any]
Make = Callable[[Profile, str], Backend]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What some cases of a row come to that do not conform.

    ``cases`` is a pattern, ``verdict`` one or more, and ``dtypes`` and ``on`` (a pattern of
    devices) are where it is so.  Where all cases are run one at least has to come to it.
    """

    cases: str
    verdict: Sequence[str]
    why: str
    dtypes: Sequence[str] = DTYPES
    on: str = "*"

    def says(self, result: Result) -> bool:
        """Return whether a result is as it is known."""
        return result.verdict in self.verdict and fnmatchcase(result.case, self.cases)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A backend, and what is said of it before it is measured.

    Parameters
    ----------
    name, framework, algorithm : str
    make : callable
        ``make(profile, device)`` returns the backend.
    because : str
        Why the profile is what it is.
    facts, single : mapping
        Facts of the profile; ``single`` are those of operations in float32, whatever is stored.
    dtypes : sequence of str
    cpu : str
        Why it cannot be run on a CPU, where it cannot.
    known : sequence of Known
    only : str
        The cases that are asked: all, but where each has to be compiled.
    seconds : float
        What a step may take.  One that hangs goes on on a thread of its own, and torch does not
        survive to compile on two.
    """

    name: str
    framework: str
    algorithm: str
    make: Make
    because: str
    facts: Facts = field(default_factory=dict)
    single: Facts = field(default_factory=dict)
    dtypes: Sequence[str] = DTYPES
    cpu: str = ""
    known: Sequence[Known] = ()
    only: str = "*"
    seconds: float = SECONDS

    def profile(self, dtype: str) -> Profile:
        """Return the profile that is declared."""
        return Profile(dtype=dtype, **self.facts, **({} if dtype == "float64" else self.single))

    def known_of(self, dtype: str, device: str) -> list[Known]:
        """Return what is known of it in a dtype and on a device."""
        return [k for k in self.known if dtype in k.dtypes and fnmatchcase(device, k.on)]


# --- what is there ------------------------------------------------------------------------------


def _driver() -> Any:
    """Return the driver's library, begun; None where there is no driver, or no device."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    with suppress(OSError):
        driver = ctypes.CDLL(name)
        return driver if driver.cuInit(0) == 0 else None
    return None


@functools.cache
def found() -> tuple[str, ...]:
    """Return the CUDA devices that the driver has, as "cuda:0"; no framework is asked."""
    driver, count = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    return tuple(f"cuda:{i}" for i in range(count.value))


def named(device: str) -> str:
    """Return what a device calls itself."""
    driver, text = _driver(), ctypes.create_string_buffer(256)
    if driver is None or device in ("cpu", NONE):
        return device
    if driver.cuDeviceGetName(text, len(text), _index(device)) != 0:
        return device
    return f"{device}: {text.value.decode(errors='replace')}"


def driver_version() -> str:
    """Return the version of the driver, and of the CUDA that it knows."""
    driver, number = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(number)) != 0:
        return "none"
    cuda = f"CUDA {number.value // 1000}.{number.value % 1000 // 10}"
    with suppress(OSError, subprocess.SubprocessError):
        words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
        return f"{said.split()[0]} ({cuda})" if said.split() else cuda
    return cuda


def targets(devices: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the devices to measure: never none, so that a run without says what is missing."""
    return tuple(found() if devices is None else devices) or (NONE,)


def missing(row: Row, device: str) -> str:
    """Return what a row has not got on a device, or nothing."""
    needs = {"triton": ("torch", "triton"), "jax": ("jax", "optax"), "C++": ()}
    if device == NONE:
        return "no CUDA device is found"
    if device == "cpu" and row.cpu:
        return row.cpu
    framework = "C++" if device == "cpu" and row.framework == "cupy" else row.framework
    for module in needs.get(framework, (framework,)):
        if find_spec(module) is None:
            return f"{module} is not installed"
    return {"C++": _no_compiler, "jax": _no_jax, "cupy": _no_cupy}.get(framework, _no_torch)(
        row, device
    )


def _index(device: str) -> int:
    return int(device.partition(":")[2])


def _no_compiler(row: Row, device: str) -> str:
    return "" if adamw_cuda.cpp() else "no C++ compiler is found"


def _no_torch(row: Row, device: str) -> str:
    torch: Any = import_module("torch")
    compiles = row.framework == "triton" or COMPILED in row.name
    if device == "cpu":
        return _no_compiler(row, device) if compiles else ""
    if torch.cuda.device_count() <= _index(device):
        return f"torch {torch.__version__} sees no {device}"
    if compiles and torch.cuda.get_device_capability(device) < (7, 0):
        return "Triton needs a compute capability of 7.0"
    if row.framework == "triton" and os.environ.get("TRITON_INTERPRET", "0") == "1":
        return "TRITON_INTERPRET is set, and the kernel would be interpreted"
    return ""


def _no_jax(row: Row, device: str) -> str:
    with suppress(RuntimeError):
        return "" if _jax_device(device) is not None else f"jax sees no {device}"
    return f"jax sees no {device}"


def _jax_device(device: str) -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory too
    jax: Any = import_module("jax")
    if device == "cpu":
        return jax.devices("cpu")[0]
    there = jax.devices("gpu")
    return there[_index(device)] if _index(device) < len(there) else None


def _no_cupy(row: Row, device: str) -> str:
    cupy: Any = import_module("cupy")
    with suppress(cupy.cuda.runtime.CUDARuntimeError):
        if _index(device) < cupy.cuda.runtime.getDeviceCount():
            return ""
    return f"cupy sees no {device}"


# --- backends -----------------------------------------------------------------------------------

COMPILED: Final = "compiled"


def torch_own(family: str, **options: Any) -> Make:
    """Return how an optimizer of torch is made."""

    def make(profile: Profile, device: str) -> Backend:
        torch: Any = import_module("torch")
        return TorchBackend(
            getattr(torch.optim, family), device=device, options=options, profile=profile
        )

    return make


def torch_compiled(family: str) -> Make:
    """Return how an optimizer of torch is made whose step is compiled."""

    def make(profile: Profile, device: str) -> Backend:
        torch: Any = import_module("torch")
        own = getattr(torch.optim, family)
        return TorchBackend(
            compiled(own), device=device, profile=profile, name=f"torch.optim.{family} compiled"
        )

    return make


def compiled(family: Any) -> Any:
    """Return a factory of optimizers whose ``step`` is compiled, or raises.

    The rate is a tensor, so that another one is no reason to compile again.  Compilations are
    kept by code, not by optimizer, and where there are too many of them torch goes on without;
    so what was compiled for earlier optimizers is forgotten.  ``reset`` would forget graphs of
    CUDA too, and in torch 2.11 raises on a thread that has none.
    """
    torch: Any = import_module("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        dynamo: Any = import_module("torch._dynamo")
        inductor: Any = import_module("torch._inductor.compile_fx")

    @functools.wraps(family)
    def factory(params: Any, *arguments: Any, **options: Any) -> Any:
        dynamo.reset_code_caches()
        optimizer = family(params, *arguments, **options)
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
        graphs = 0

        def counted(graph: Any, inputs: Any) -> Any:
            nonlocal graphs
            graphs += 1
            return inductor.compile_fx(graph, inputs)

        step = torch.compile(optimizer.step, backend=counted)

        def stepped() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                step()
            moving = any(p.grad is not None for g in optimizer.param_groups for p in g["params"])
            if moving and not graphs:
                msg = "torch.compile has compiled nothing"
                raise RuntimeError(msg)

        optimizer.step = stepped
        return optimizer

    return factory


def ours(foreach: bool) -> Make:
    """Return how our own Paratrooper for torch is made."""

    def make(profile: Profile, device: str) -> Backend:
        module = import_module("tests.backends.paratrooper_torch")
        return TorchBackend(
            module.Paratrooper, device=device, options={"foreach": foreach}, profile=profile
        )

    return make


def optax(name: str, jit: bool) -> Make:
    """Return how a transformation is made: of optax, or our own."""

    def make(profile: Profile, device: str) -> Backend:
        jax, on = import_module("jax"), _jax_device(device)
        from paratrooper_ref.conformance import OptaxBackend

        class OnDevice(OptaxBackend):
            """Each call on a device: what is a default of JAX is one of the thread that asks."""

            def start(self, *given: Any, **named: Any) -> Any:
                with jax.default_device(on):
                    return super().start(*given, **named)

            def step(self, *given: Any, **named: Any) -> Any:
                with jax.default_device(on):
                    return super().step(*given, **named)

            def reload(self, *given: Any, **named: Any) -> Any:
                with jax.default_device(on):
                    return super().reload(*given, **named)

        module = "tests.backends.paratrooper_optax" if name == "paratrooper" else "optax"
        made = getattr(import_module(module), name)
        return OnDevice(made, jit=jit, profile=profile, holes=name == "paratrooper")

    return make


def triton(profile: Profile, device: str) -> Backend:
    """Return our own kernels, compiled."""
    from paratrooper_ref.conformance import KernelBackend

    torch: Any = import_module("torch")
    kernels = import_module("tests.backends.paratrooper_triton")
    first = import_module("tests.backends.paratrooper_torch").first_batch

    @functools.wraps(kernels.update)
    def update(**given: Any) -> None:
        with torch.cuda.device(device):
            kernels.update(**given)

    return KernelBackend(
        update, to=lambda x, dtype: torch.tensor(x, dtype=getattr(torch, dtype), device=device),
        back=lambda x: x.cpu().numpy(), first_batch=first, profile=profile, name="triton",
    )


# --- the table ----------------------------------------------------------------------------------

EAGER: Final = "scalars are formed in Python; nvcc's quotients and roots are correctly rounded"
APPROXIMATE: Final = {"division": 2.0, "root": 1.0, "flush": True}
WRITES: Final = Known(
    cases="*nesterov/*", verdict=[GRADIENT], why="foreach adds the momentum to the gradient itself"
)
FUSED_16: Final = Known(
    cases="*/wide-*", verdict=[DEPARTS, KEEPS], dtypes=("bfloat16",), on="cpu",
    why="whole vectors are not updated: https://github.com/pytorch/pytorch/issues/191763",
)
GROUPS: Final = Known(
    cases="*/layers-dyadic", verdict=[UNSUPPORTED],
    why="where parameter groups make momentum at a rate that is a tensor, torch.compile raises "
    "SpeculationLogDivergence",
)
STEP_32: Final = Known(
    cases="*", verdict=[DEPARTS], dtypes=("float64",),
    why="the count of steps is a float32 tensor, and β^t with it, whatever the weights are",
)
FAMILIES: Final = {"SGD": "sgd", "Adam": "adam", "AdamW": "adamw", "RAdam": "radam"}


def _rows() -> list[Row]:
    rows = []
    for family, algorithm in FAMILIES.items():
        sgd, adam = family == "SGD", family in ("Adam", "AdamW")

        def row(how: str, make: Make, because: str, name: str = family, algorithm: str = algorithm,
                **more: Any) -> None:
            rows.append(Row(
                name=f"torch {name} {how}", framework="torch", algorithm=algorithm, make=make,
                because=because, **more,
            ))

        row("single", torch_own(family, foreach=False), EAGER)
        writes = [WRITES] if sgd else []
        row("foreach", torch_own(family, foreach=True), EAGER, known=writes)
        if adam:
            because = "β^t and 1 - β are formed on the device, in the dtype of its operations"
            row("fused", torch_own(family, fused=True), because, facts={"scalars": "array"})
        if sgd:
            row("fused", torch_own(family, fused=True), EAGER, known=[FUSED_16])
        else:
            for how, foreach in (("capturable", False), ("capturable foreach", True)):
                row(
                    how, torch_own(family, capturable=True, foreach=foreach),
                    "β^t is formed on the device, of a float32 count", facts={"scalars": "mixed"},
                    cpu="capturable needs an accelerator", known=[STEP_32],
                )
        row(
            COMPILED, torch_compiled(family),
            "the count and the rate are tensors; Triton's / is div.full.f32",
            facts={"scalars": "mixed"}, single=APPROXIMATE, only="*-dyadic", seconds=COMPILES,
            known=[GROUPS] if sgd else [STEP_32],
        )
    for how, foreach in (("single", False), ("foreach", True)):
        rows.append(Row(
            name=f"our Paratrooper for torch {how}", framework="torch", algorithm="paratrooper",
            make=ours(foreach), because=EAGER,
        ))
    for how, jit in (("eager", False), ("jit", True)):
        for name, facts in (("adamw", {"scalars": "mixed"}), ("paratrooper", {})):
            whose = "our Paratrooper for optax" if name == "paratrooper" else f"optax {name}"
            scalars = "β^t in the arrays' dtype" if facts else "scalars in double"
            rows.append(Row(
                name=f"{whose} {how}", framework="jax", algorithm=name, make=optax(name, jit),
                because=f"{scalars}; XLA lets subnormal numbers be 0 on a CPU, and divides by "
                "div.full.f32 on a GPU",
                facts={**facts, "flush": True}, single={"division": 2.0, "root": 1.0},
                only="*-dyadic" if jit else "*",
            ))
    rows += [
        Row(
            name="our AdamW in CUDA for CuPy", framework="cupy", algorithm="adamw",
            make=adamw_cuda.backend, dtypes=("float32", "float64"),
            because="scalars come from the host; nvrtc divides by div.rn and roots by sqrt.rn",
        ),
        Row(
            name="our Paratrooper in Triton", framework="triton", algorithm="paratrooper",
            make=triton, dtypes=("float32", "float64"), single=APPROXIMATE,
            because="compiled it has div.full.f32 and sqrt.approx.ftz.f32",
            cpu="a kernel needs a GPU; its interpreter is asked in tests/conformance",
        ),
    ]
    return rows


ROWS: Final = {row.name: row for row in _rows()}
"""All that is measured, by name."""


# --- a measurement ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a row came to on a device, in a dtype."""

    row: Row
    device: str
    dtype: str
    missing: str = ""
    error: str = ""
    report: Report | None = None
    inferred: Inferred | None = None

    @property
    def problems(self) -> list[str]:
        """What is not as it is declared, in sentences; what is missing is none, and no success."""
        if self.report is None:
            return [self.error] if self.error else []
        report, said = self.report, []
        known = self.row.known_of(self.dtype, self.device)
        if not report.complete or not report.ran:
            said.append(f"nothing ran, or not all of it: {dict(report.counts)}")
        left = [r for r in report.results if not any(k.says(r) for k in known)]
        if left and not report.counts[CONFORMS]:
            said.append("no case conforms")
        if any(r.detail.startswith("its state cannot be set") for r in left):
            said.append("its state cannot be set")
        fine = (CONFORMS, UNSUPPORTED, UNSTABLE)
        said += [report.brief(result) for result in left if result.verdict not in fine]
        if report.only == self.row.only:
            said += [
                f"{k.cases} is known as {' or '.join(k.verdict)}, and is not: {k.why}"
                for k in known if not any(map(k.says, report.results))
            ]
        if left and (self.inferred is None or not self.inferred.ok):
            said.append(str(self.inferred or "no profile is inferred"))
        return said

    @property
    def ok(self) -> bool:
        """Whether it ran, and is as declared."""
        return self.report is not None and not self.problems


def measure(
    row: Row,
    device: str,
    dtype: str,
    *,
    only: str | None = None,
    runs: bool = True,
    progress: Callable[[str], None] = lambda case: None,
) -> Measured:
    """Return what a row comes to: held to the profile that is declared, and to the smallest."""
    if lacking := missing(row, device):
        return Measured(row=row, device=device, dtype=dtype, missing=lacking)
    pattern = row.only if only is None else only
    asked: dict[str, Any] = {"only": pattern, "seconds": row.seconds, "progress": progress}
    backend = row.make(row.profile(dtype), device)
    report = check(backend, row.algorithm, runs=runs, **asked)
    known = row.known_of(dtype, device)
    departing = [r.case for r in report.results if any(k.says(r) for k in known)]
    corpus = Without(departing)
    inferred = None
    if cases(row.algorithm, corpus, only=pattern):
        inferred = infer(backend, row.algorithm, corpus=corpus, **asked)
    return Measured(row=row, device=device, dtype=dtype, report=report, inferred=inferred)


class Without(Corpus):
    """The corpus without some cases."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = frozenset(names)

    def manifest(self) -> Manifest:
        """Return what is left."""
        whole = super().manifest()
        left = {name: entry for name, entry in whole.cases.items() if name not in self.names}
        return replace(whole, cases=left)
