"""Backends on each CUDA device that is found, held to the profile that is declared for them.

Without a device they are unsupported, and say so.  The same tests run on the CPU, on few cases, as
far as the frameworks are there: what they hold here is that they would hold there.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from paratrooper_ref.conformance import Profile, ReferenceBackend
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, GRADIENT, UNSUPPORTED
from tests.gpu import devices
from tests.gpu.devices import COMPILED, NONE, ROWS, Known, Measured, Row, measure, missing, targets

pytestmark = pytest.mark.peers

FEW = "*/[pt][lu][ar][in]*-decimal"  # plain and turning, on the CPU
IN_ALL_DTYPES = ("torch Adam single", "our Paratrooper for torch foreach", "optax adamw eager")
COMPILED_HERE = "torch AdamW compiled"  # of those that take a minute each


def on_cpu(row: Row, dtype: str) -> bool:
    """Return whether a row is run on the CPU: each in one dtype."""
    if COMPILED in row.name and row.name != COMPILED_HERE:
        return False
    return dtype == "float32" or row.name in IN_ALL_DTYPES or row.framework == "cupy"


WHAT = [
    pytest.param(row, dtype, device, marks=marks, id=f"{row.name}-{dtype}-{device}")
    for devices_of, marks in ((targets(), [pytest.mark.gpu]), (("cpu",), []))
    for device in devices_of for row in ROWS.values() for dtype in row.dtypes
    if device != "cpu" or on_cpu(row, dtype)
]


def asked(row: Row, dtype: str, device: str) -> Measured:
    """Return the measurement, or skip the test and say what is missing."""
    how: dict[str, Any] = {}
    if device == "cpu":
        few = "adamw/plain-dyadic" if COMPILED in row.name else FEW
        how = {"only": few, "runs": False}
    found = measure(row, device, dtype, **how)
    if found.missing:
        pytest.skip(f"unsupported: {found.missing}")
    return found


@pytest.mark.parametrize(("row", "dtype", "device"), WHAT)
def test_the_declared_profile_is_enough(row: Row, dtype: str, device: str) -> None:
    """Every case conforms but those that are known; a profile is found that fits."""
    found = asked(row, dtype, device)
    assert found.ok, "\n".join(found.problems)
    assert found.report is not None
    assert found.report.counts[CONFORMS] > 0


# --- what needs an accelerator, tried on a CPU --------------------------------------------------

CAPTURED = [name for name in ROWS if "capturable" in name]


@pytest.fixture
def capturable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch capture on a CPU: what it computes is the same, and no graph is made of it."""
    pytest.importorskip("torch", reason='torch comes with the extra "peers"')
    for name in ("adam", "radam"):
        module = importlib.import_module(f"torch.optim.{name}")
        monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **_: ["cpu"])


@pytest.mark.parametrize("name", CAPTURED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_captured_forms_powers_in_float32(name: str, dtype: str, capturable: None) -> None:
    """Scalars are "mixed"; in float64 that is no float64, which is a departure of its own."""
    row = replace(ROWS[name], cpu="")
    found = measure(row, "cpu", dtype, only=FEW, runs=False)
    assert found.ok, "\n".join(found.problems)
    assert found.report is not None
    assert (DEPARTS in found.report.counts) == (dtype == "float64")


def test_what_torch_cannot_compile_is_known() -> None:
    """Momentum of groups at a rate that is a tensor; a plain step beside it conforms."""
    pytest.importorskip("torch", reason='torch comes with the extra "peers"')
    found = measure(
        ROWS["torch SGD compiled"], "cpu", "float32", only="sgd/[lp]*-dyadic", runs=False
    )
    assert found.ok, "\n".join(found.problems)
    assert found.report is not None
    assert found.report.counts[UNSUPPORTED] == 1
    assert replace(found, row=replace(found.row, known=())).problems == ["its state cannot be set"]


# --- a measurement that is none -----------------------------------------------------------------

PLAIN = Row(
    name="the reference", framework="torch", algorithm="adam", because="it is ours",
    make=lambda profile, device: ReferenceBackend("float32"),
)


def told(row: Row, monkeypatch: pytest.MonkeyPatch, **how: Any) -> list[str]:
    """Return what is wrong with a measurement on a CPU, for which nothing is missing."""
    monkeypatch.setattr(devices, "missing", lambda row, device: "")
    found = measure(row, "cpu", "float32", **{"only": "adam/plain-*", "runs": False, **how})
    assert found.ok is not bool(found.problems)
    return found.problems


def test_no_device_is_one_that_is_missing() -> None:
    """An empty list of devices is not an empty list of tests."""
    assert targets([]) == (NONE,)
    for row in ROWS.values():
        assert missing(row, NONE) == "no CUDA device is found"
        found = measure(row, NONE, "float32")
        assert found.missing
        assert not found.ok
        assert not found.problems


def test_every_device_has_every_row() -> None:
    """And each row says why its profile is what it is."""
    asked_on = [param.values for param in WHAT]
    for device in targets():
        there = [(row, dtype) for row, dtype, on in asked_on if on == device]
        assert there == [(row, dtype) for row in ROWS.values() for dtype in row.dtypes]
    assert all(row.because for row in ROWS.values())
    frameworks = {row.framework for row in ROWS.values()}
    assert frameworks == {"torch", "jax", "cupy", "triton"}
    asked_of: Mapping[str, set[str]] = {
        how: {row.name.split()[1] for row in ROWS.values() if row.name.endswith(how)}
        for how in ("single", "foreach", "fused", "capturable", COMPILED)
    }
    assert asked_of["fused"] == {"SGD", "Adam", "AdamW"}  # RAdam has none
    assert asked_of["capturable"] == {"Adam", "AdamW", "RAdam"}  # SGD has no scalars of t
    assert asked_of[COMPILED] == {"SGD", "Adam", "AdamW", "RAdam"}


def test_a_wrong_backend_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that is known to be wrong and is right, or that cannot be asked."""
    assert told(PLAIN, monkeypatch) == []
    wrong = replace(PLAIN, make=lambda *_: ReferenceBackend(variant="adam.eps_hat"))
    said = told(wrong, monkeypatch, only="adam/tiny-*")
    assert any("looks like adam.eps_hat" in line for line in said)
    assert any("no profile fits" in line for line in said)
    late = replace(PLAIN, make=lambda *_: ReferenceBackend(variant="adam.count_stops"))
    both = "adam/[lp][la][at]*-dyadic"  # late and plain
    known = Known(cases="adam/late-*", verdict=[DEPARTS], why="it stops counting")
    assert len(told(late, monkeypatch, only=both)) == 2
    assert told(replace(late, known=[known]), monkeypatch, only=both) == []
    assert told(replace(late, known=[known]), monkeypatch, only="adam/late-dyadic") == []
    assert len(told(replace(late, known=[replace(known, verdict=[GRADIENT])]), monkeypatch,
                    only=both)) == 2
    right = replace(PLAIN, known=[known], only=both)
    assert any("is known as departs, and is not" in line
               for line in told(right, monkeypatch, only=right.only))
    other = replace(PLAIN, algorithm="sgd", make=lambda *_: Refuses())
    assert any("no case conforms" in line for line in told(other, monkeypatch, only="sgd/plain-*"))


class Refuses(ReferenceBackend):
    """Has no optimizer at all."""

    def start(self, spec: Any, params: Any, state: Any = None) -> Any:
        """Refuse."""
        from paratrooper_ref.conformance import Unsupported

        msg = "out of order"
        raise Unsupported(msg)


def test_what_is_compiled_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that goes on without compiling raises, and does not conform."""
    torch: Any = pytest.importorskip("torch", reason='torch comes with the extra "peers"')
    monkeypatch.setattr(torch, "compile", lambda step, backend: step)
    found = measure(
        ROWS["torch AdamW compiled"], "cpu", "float32", only="adamw/plain-dyadic", runs=False
    )
    assert not found.ok
    assert "torch.compile has compiled nothing" in "\n".join(found.problems)


def test_profiles_of_doubles_approximate_nothing() -> None:
    """div.full is of float32 alone."""
    row = ROWS["our Paratrooper in Triton"]
    assert row.profile("float64") == Profile(dtype="float64")
    assert row.profile("float32") == Profile(division=2.0, root=1.0, flush=True)
