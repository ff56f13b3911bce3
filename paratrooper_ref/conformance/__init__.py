"""The conformance kit: hold any backend to the corpus, and be told which line is wrong.

Three lines in a test file::

    from paratrooper_ref.conformance import TorchBackend, conformance
    test_mine = conformance(TorchBackend(MyParatrooper), algorithm="paratrooper")

or, without pytest, ``check(TorchBackend(MyParatrooper), "paratrooper")``, which returns a `Report`.
The kit needs NumPy alone; a backend's framework is imported by whoever uses it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from paratrooper_ref.conformance.backend import (
    Backend,
    Lacks,
    Unsupported,
    hyper_of,
    optimizer_of,
    rate_of,
    slots_of,
)
from paratrooper_ref.conformance.expectations import Expectation, ExpectationError
from paratrooper_ref.conformance.infer import infer
from paratrooper_ref.conformance.kit import check
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.reference import ReferenceBackend
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import VERDICTS, Departure, Like, Result, Share

if TYPE_CHECKING:
    from paratrooper_ref.conformance.kernel import KernelBackend
    from paratrooper_ref.conformance.optax import OptaxBackend
    from paratrooper_ref.conformance.process import ProcessBackend
    from paratrooper_ref.conformance.pytest import conformance
    from paratrooper_ref.conformance.torch_backend import TorchBackend

LAZILY: Final = {
    "KernelBackend": "kernel",
    "OptaxBackend": "optax",
    "ProcessBackend": "process",
    "TorchBackend": "torch_backend",
    "conformance": "pytest",
}
"""Names whose modules need what the kit does not: imported when they are asked for."""


def __getattr__(name: str) -> Any:
    if name in LAZILY:
        return getattr(import_module(f"{__name__}.{LAZILY[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


__all__ = [
    "VERDICTS",
    "Backend",
    "Departure",
    "Expectation",
    "ExpectationError",
    "KernelBackend",
    "Lacks",
    "Like",
    "OptaxBackend",
    "ProcessBackend",
    "Profile",
    "ReferenceBackend",
    "Report",
    "Result",
    "Share",
    "TorchBackend",
    "Unsupported",
    "check",
    "conformance",
    "hyper_of",
    "infer",
    "optimizer_of",
    "rate_of",
    "slots_of",
]
