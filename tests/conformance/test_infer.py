"""The profile that is found is the arithmetic that is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import BFLOAT16
from paratrooper_ref.conformance import Profile, ReferenceBackend, Unsupported, check
from paratrooper_ref.conformance.backend import Grads, Params, Slots, Spec
from paratrooper_ref.conformance.infer import Inferred, infer


class Naive(ReferenceBackend):
    """Scalars formed in the dtype of the arrays."""

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        handle: Any = super().start(spec, params, state)
        handle.state = replace(handle.state, scalars="array")
        return handle


class Narrow(ReferenceBackend):
    """Moments kept in bfloat16 beside operations in float32."""

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step, and round what is kept."""
        super().step(handle, grads, lr)
        kept = {
            slot: {
                k: np.asarray(BFLOAT16.nearest(x), np.float32)
                for k, x in handle.state.slot(slot).items()
            }
            for slot in ("m", "v")
        }
        handle.state = replace(handle.state, **kept)


class Wide(ReferenceBackend):
    """Operations in float64, numbers kept in float32."""

    def __init__(self) -> None:
        super().__init__("float64")
        self.profile = Profile(dtype="float32")

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Widen what is given."""
        given: Any = state
        if state is not None:
            given = {
                slot: {k: x.astype(np.float64) for k, x in of.items()} if slot in "muvslow" else of
                for slot, of in state.items()
            }
        return super().start(spec, {k: x.astype(np.float64) for k, x in params.items()}, given)

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step in float64."""
        wide = {k: None if g is None else g.astype(np.float64) for k, g in grads.items()}
        super().step(handle, wide, lr)

    def read(self, handle: Any) -> Slots:
        """Return float32 arrays."""
        found = super().read(handle)
        return {s: {k: x.astype(np.float32) for k, x in of.items()} for s, of in found.items()}


class Fast(ReferenceBackend):
    """What is subtracted from the parameters is some units in the last place too large."""

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step, and a little more."""
        before = handle.state.params
        super().step(handle, grads, lr)
        moved = {
            k: (x + (handle.state.params[k].astype(np.float64) - x) * (1 + 2.0**-20)).astype(
                x.dtype
            )
            for k, x in before.items()
        }
        handle.state = replace(handle.state, params=moved)


class Shown(ReferenceBackend):
    """Arrays of another dtype than it declares."""

    def __init__(self, dtype: str, declared: str) -> None:
        super().__init__(dtype)
        self.profile = Profile(dtype=declared)


PLAIN = "adam/[pzl]*"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["adam", "sgd", "lamb", "lookahead"])
def test_the_reference_needs_nothing(algorithm: str, dtype: str) -> None:
    """Lines as published, sums in its own order, scalars in double."""
    found = infer(ReferenceBackend(dtype), algorithm, only="*/[fpzlw]*")
    assert found.profile is not None, str(found)
    assert (found.profile.dtype, found.profile.scalars) == (dtype, "float64")
    assert (found.profile.division, found.profile.root) == (0.5, 0.5)
    assert not found.profile.flush
    assert not found.profile.slots
    assert not found.needs
    assert not found.others
    assert found.worst is not None
    assert 0 < found.worst.at.share <= 1
    fitting = check(
        ReferenceBackend(dtype), algorithm, profile=found.profile, only="*/[fpzlw]*"
    )
    assert fitting.ok


def test_scalars_formed_in_the_dtype_of_arrays() -> None:
    """That is what has to be granted, and nothing else."""
    found = infer(Naive("float32"), "adam", only=PLAIN)
    assert found.profile is not None
    assert found.profile.scalars == "array"
    assert [need.fact for need in found.needs] == ["scalars"]
    (need,) = found.needs
    assert (need.stricter, need.granted) == ("mixed", "array")
    assert need.without.at.share > 1
    assert need.without.at.tag in ("m", "v", "theta")


def test_state_of_fewer_bits() -> None:
    """It is seen in the numbers, whether it is declared or not; operations have more."""
    for declared in (Profile(), Profile(slots={"m": "bfloat16", "v": "bfloat16"})):
        backend = Narrow("float32")
        backend.profile = declared
        found = infer(backend, "adam", only=PLAIN)
        assert found.profile is not None
        stored = {slot: found.profile.stored(slot).name for slot in ("theta", "g", "m", "v")}
        assert stored == {
            "theta": "float32", "g": "float32", "m": "bfloat16", "v": "bfloat16"
        }
        assert found.profile.format.precision >= 24


def test_operations_of_more_bits() -> None:
    """The strictest profile is that of double operations."""
    found = infer(Wide(), "adam", only=PLAIN)
    assert found.profile is not None, str(found)
    assert found.profile.dtype == "float64"
    assert set(found.profile.slots.values()) == {"float32"}
    assert check(Wide(), "adam", profile=found.profile, only=PLAIN).ok


def test_a_quotient_of_two_units() -> None:
    """It is among what would explain it, each of which grants something."""
    found = infer(Fast("float32"), "adam", only="adam/zero-weights*")
    assert found.profile is not None, str(found)
    fitting = [found.profile, *found.others]
    assert found.profile.but(scalars="float64", division=2.0) in fitting
    assert len(found.needs) == 1
    assert not any((p.scalars, p.division, p.root) == ("float64", 0.5, 0.5) for p in fitting)
    assert f"as small: {found.others[0]}" in str(found)
    assert infer(ReferenceBackend(), "adam", only="adam/zero-weights*").needs == ()


@pytest.mark.parametrize("declared", ["float64", "float16", "bfloat16"])
def test_another_dtype_than_declared(declared: str) -> None:
    """It is looked for."""
    found = infer(Shown("float32", declared), "adam", only="adam/plain*")
    assert found.declared.dtype == declared
    assert found.profile is not None, str(found)
    assert found.profile.dtype == "float32"


def test_nothing_fits_a_wrong_line() -> None:
    """The nearest is told, and where it is off."""
    found = infer(ReferenceBackend(variant="adam.eps_hat"), "adam", only="adam/tiny*")
    assert not found.ok
    assert found.worst is not None
    assert found.worst.at.share > 1e3
    assert found.worst.at.tag == "theta"
    assert found.nearest.division == 2.0
    assert "no profile fits" in str(found)
    dialect = infer(
        ReferenceBackend(variant="adam.eps_hat"), "adam", dialect="adam.eps_hat",
        only="adam/tiny*",
    )
    assert dialect.ok


def test_nothing_can_be_asked() -> None:
    """That is no result, and no exception."""
    class Declines(ReferenceBackend):
        def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
            msg = "out of order"
            raise Unsupported(msg)

    found = infer(Declines(), "adam", only="adam/plain*")
    assert (found.ok, found.steps, dict(found.left_out)) == (False, 0, {"out of order": 6})
    assert "nothing could be asked" in str(found)


def test_plain_data() -> None:
    """All of it can be written down."""
    for backend in (Naive("float32"), ReferenceBackend(variant="adam.eps_hat")):
        found = infer(backend, "adam", only="adam/plain*")
        assert isinstance(found, Inferred)
        data = json.loads(json.dumps(found.to_json()))
        assert data["steps"] == found.steps == 6
        assert (data["profile"] is None) is not found.ok
        for need in data["needs"]:
            assert need["without"]["share"] > 1


def test_progress_is_told() -> None:
    """Cases, and then profiles."""
    told: list[str] = []
    infer(ReferenceBackend(), "adam", only="adam/plain-dyadic", progress=told.append)
    assert told[0] == "adam/plain-dyadic"
    assert told[1].startswith("float64")


@pytest.mark.peers
def test_torch_forms_scalars_in_double() -> None:
    """torch.optim.Adam, on the whole core tier."""
    torch = pytest.importorskip("torch", reason='torch comes with the extra "peers"')
    from paratrooper_ref.conformance import TorchBackend

    found = infer(TorchBackend(torch.optim.Adam), "adam")
    assert found.profile is not None, str(found)
    assert (found.profile.dtype, found.profile.scalars) == ("float32", "float64")
    assert not found.needs


@pytest.mark.peers
def test_optax_forms_powers_in_float32() -> None:
    """optax.adam: doubles for 1 - beta, beta**t of arrays."""
    optax = pytest.importorskip("optax", reason='optax comes with the extra "peers"')
    from paratrooper_ref.conformance import OptaxBackend

    def adam(h: Any) -> Any:
        return optax.chain(
            optax.add_decayed_weights(h["weight_decay"]),
            optax.adam(h["lr"], h["beta1"], h["beta2"], h["eps"]),
        )

    found = infer(OptaxBackend(adam), "adam")
    assert found.profile is not None, str(found)
    assert (found.profile.dtype, found.profile.scalars) == ("float32", "mixed")
    (need,) = found.needs
    assert need.fact == "scalars"
    assert need.without.at.share > 4
