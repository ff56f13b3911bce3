"""Taking a step: what is asked, what is shown, and all that a step may not do besides."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from paratrooper_ref.conformance import Profile, ReferenceBackend
from paratrooper_ref.conformance.session import Session, Start, container, differing
from paratrooper_ref.conformance.step import Question, look, take
from paratrooper_ref.conformance.verdict import GRADIENT, INPUT, Fault
from paratrooper_ref.optimizers import SGD, Adam, State


class Odd(ReferenceBackend):
    """A float32 backend that shows something odd once it has taken a step."""

    def __init__(self, **odd: Any) -> None:
        super().__init__("float32")
        self.odd, self.stepped = odd, False
        self.given: dict[str, Any] = {}
        self.seen: Any = {}

    def start(self, spec: Any, params: Any, state: Any = None) -> Any:
        self.given = {"theta": params, **(state or {})}
        return super().start(spec, params, state)

    def step(self, handle: Any, grads: Any, lr: float) -> None:
        super().step(handle, grads, lr)
        self.stepped = True
        if "input" in self.odd:
            self.given[self.odd["input"]]["w"][0] += 1
        if "alias" in self.odd:
            self.seen["m"]["w"][0] += 1
        if "gradient" in self.odd:
            for x in grads.values():
                x[...] = 0

    def read(self, handle: Any) -> Any:
        found: Any = super().read(handle)
        self.seen = self.seen or found
        if "back" in self.odd and not self.stepped:
            found["m"]["w"] = found["m"]["w"] + 1
        if self.stepped and "edit" in self.odd:
            self.odd["edit"](found)
        return found

    def probe(self, handle: Any) -> Any:
        return self.odd.get("probe", {})


def question(t: int = 3) -> Question:
    """Return a step of Adam on a layer."""
    state = State(
        params={"w": np.array([1.0, 2.0])}, t=t, m={"w": np.array([0.5, 0.25])},
        v={"w": np.array([0.5, 0.125])},
    )
    return Question(
        spec=Adam().spec, state=state, slots=("m", "v"), grads={"w": np.array([0.25, -1.0])}, lr=0.5
    )


def edit(slot: str, change: Any) -> Any:
    """Return what puts something else in place of a slot of layer w."""

    def put(found: Any) -> None:
        found[slot]["w"] = change(found[slot]["w"])

    return put


@pytest.mark.parametrize(
    ("odd", "verdict"),
    [
        ({"gradient": True}, "changes its gradient"),
        ({"input": "theta"}, "changes its input"),
        ({"input": "v"}, "changes its input"),
        ({"alias": True}, "aliases its state"),
        ({"back": True}, "loses its state"),
        ({"edit": edit("theta", lambda x: x.reshape(2, 1))}, "wrong shape"),
        ({"edit": edit("theta", lambda x: x[:1])}, "wrong shape"),
        ({"edit": edit("m", lambda x: x.astype(float))}, "wrong dtype"),
        ({"edit": edit("m", lambda x: x.tolist())}, "wrong dtype"),
        ({"edit": edit("v", lambda x: x * np.float32(np.nan))}, "not finite"),
        ({"edit": lambda found: found.pop("theta")}, "wrong layers"),
        ({"edit": lambda found: found["m"].pop("w")}, "wrong layers"),
        ({"edit": lambda found: found["m"].update(b=found["m"]["w"])}, "wrong layers"),
        ({"probe": {"b": {"update": 1.0}}}, "wrong layers"),
    ],
)
def test_whatever_else_a_step_does_is_a_fault(odd: dict[str, Any], verdict: str) -> None:
    with pytest.raises(Fault) as caught:
        take(Odd(**odd), question())
    assert caught.value.verdict == verdict


def test_what_is_read_before_the_step_is_looked_at_too() -> None:
    class Widening(Odd):
        def read(self, handle: Any) -> Any:
            found = super().read(handle)
            return found if self.stepped else {**found, "m": {"w": found["m"]["w"].astype(float)}}

    with pytest.raises(Fault, match="m of layer 'w' is float64, declared is float32") as caught:
        take(Widening(), question())
    assert caught.value.detail.endswith("its Profile is to say slots={'m': 'float64'}")


def test_a_dtype_that_no_profile_can_declare_is_said_alone() -> None:
    with pytest.raises(Fault) as caught:
        take(Odd(edit=edit("m", lambda x: x.astype(np.int64))), question())
    assert caught.value.detail == "m of layer 'w' is int64, declared is float32"


def test_an_infinite_number_is_shown_with_its_place() -> None:
    def spoil(x: Any) -> Any:
        x[1] = -np.inf
        return x

    with pytest.raises(Fault, match=r"v of layer 'w' has -inf at \[1\]"):
        take(Odd(edit=edit("v", spoil)), question())


def test_what_is_shown_is_slots_then_probes() -> None:
    """A probe does not overrule a slot; a slot may be left out; scalars of NumPy are arrays."""
    odd = Odd(
        edit=lambda found: found.pop("v"),
        probe={"": {"h": 1.0}, "w": {"update": [1.0, 2.0], "theta": [9.0, 9.0]}},
    )
    shown = take(odd, question())
    assert list(shown) == ["w"]
    assert set(shown["w"]) == {"theta", "m", "update"}
    assert shown["w"]["update"].tolist() == [1, 2]
    assert shown["w"]["theta"].max() < 9
    assert shown["w"]["m"].dtype == np.float64


def test_a_number_of_numpy_is_an_array_of_shape_nothing() -> None:
    """That is what arithmetic makes of such an array; no other number is one."""
    zeros = {"w": np.array(0.0)}
    single = Question(
        spec=Adam().spec, slots=("m", "v"), grads={"w": np.array(1.0)}, lr=0.5,
        state=State(params=zeros, t=3, m=zeros, v=zeros),
    )
    shown = take(Odd(edit=edit("m", lambda x: x + 0)), single)
    assert shown["w"]["m"].shape == ()
    assert shown["w"]["m"] == np.float32(0.1)
    with pytest.raises(Fault, match="m of layer 'w' is no array but float"):
        take(Odd(edit=edit("m", float)), single)


def test_a_slot_that_is_never_shown_is_not_asked_for() -> None:
    class Hiding(ReferenceBackend):
        def read(self, handle: Any) -> Any:
            return {slot: x for slot, x in super().read(handle).items() if slot != "m"}

    assert set(take(Hiding("float32"), question())["w"]) == {"theta", "v"}


def test_layers_that_are_others_are_named_in_order() -> None:
    def rename(found: Any) -> None:
        found["m"] = dict.fromkeys("ecadb", found["m"]["w"])

    with pytest.raises(Fault, match="m has other layers than it was given: a, b, c, d, e, w"):
        take(Odd(edit=rename), question())


def test_a_step_may_return_another_handle_and_show_no_lines() -> None:
    class Pure(ReferenceBackend):
        probe = None  # type: ignore[assignment]

        def step(self, handle: Any, grads: Any, lr: float) -> Any:
            other = copy.copy(handle)
            super().step(other, grads, lr)
            return other

    plain = take(ReferenceBackend("float32"), question())
    pure = take(Pure("float32"), question())
    assert set(pure["w"]) == {"theta", "m", "v"}
    for slot in pure["w"]:
        assert pure["w"][slot].tolist() == plain["w"][slot].tolist()
    assert pure["w"]["theta"].tolist() != [1, 2]


def test_numbers_that_a_declared_dtype_does_not_hold_are_another_dtype() -> None:
    """bfloat16 comes in arrays of float32."""
    assert container(Profile(dtype="bfloat16"), "m") == np.float32
    assert container(Profile(dtype="bfloat16", slots={"m": "float16"}), "m") == np.float16
    backend = ReferenceBackend("float32")
    backend.profile = Profile(dtype="float32", slots={"m": "bfloat16"})
    with pytest.raises(Fault, match="m of layer 'w' has numbers that bfloat16 does not hold"):
        take(backend, question())


def test_a_first_step_is_fresh() -> None:
    """Of zeros, slow weights apart, which are the parameters; and with nothing chosen."""
    zeros = {"w": np.zeros(2)}
    state = State(params={"w": np.ones(2)}, m=zeros, v=zeros, slow={"w": np.ones(2)})
    fresh = Question(spec={}, state=state, slots=("m", "v", "slow"), grads={}, lr=0.1)

    def other(**changes: Any) -> bool:
        return replace(fresh, state=replace(state, **changes)).fresh

    assert fresh.fresh is True
    assert other(t=1) is False
    assert other(warmup="none") is False
    assert not other(v={"w": np.array([0.0, 1.0])})
    assert not other(slow=zeros)
    assert replace(fresh, slots=("m",), state=replace(state, slow=None)).fresh
    ones = {"w": np.ones(2), "b": np.ones(1)}
    behind = State(params=ones, slow={**ones, "b": np.zeros(1)})
    assert not Question(spec={}, state=behind, slots=("slow",), grads={}, lr=0.1).fresh


def test_a_fresh_step_is_begun_without_a_state() -> None:
    given: list[Any] = []

    class Telling(ReferenceBackend):
        def start(self, spec: Any, params: Any, state: Mapping[str, Any] | None = None) -> Any:
            given.append(state)
            return super().start(spec, params, state)

    take(Telling("float32"), question())
    zeros = {"w": np.zeros(2)}
    first = question()
    take(Telling("float32"), replace(first, state=State(params=zeros, m=zeros, v=zeros)))
    chosen = replace(first, state=replace(first.state, warmup="none"))
    take(Telling("float32"), chosen)
    assert given[1] is None
    assert {k: v for k, v in given[0].items() if k == "t"} == {"t": 3}
    assert set(given[0]) == {"t", "m", "v"}
    assert given[2]["warmup"] == "none"
    assert given[0]["m"]["w"].dtype == np.float32


def sgd_question(momentum: float, **layers: dict[str, float]) -> Question:
    """Return a step of SGD on two layers, with a buffer of ones."""
    ones = {"w": np.ones(2), "b": np.ones(1)}
    return Question(
        spec=SGD(momentum=momentum).for_layers(layers).spec, slots=("u",), grads=ones, lr=0.5,
        state=State(params=ones, t=3, u={k: x.copy() for k, x in ones.items()}),
    )


def test_a_buffer_that_no_step_reads_is_not_looked_at() -> None:
    """Where momentum is 0 it may be kept, or left; one layer with momentum is enough."""

    class Leaving(ReferenceBackend):
        def read(self, handle: Any) -> Any:
            found = super().read(handle)
            return {**found, "u": {k: 0 * x for k, x in found["u"].items()}}

    assert sgd_question(0.0).unread == ("u",)
    assert sgd_question(0.5).unread == ()
    assert sgd_question(0.0, b={"momentum": 0.5}).unread == ()
    assert sgd_question(0.5, b={"momentum": 0.0}).unread == ()
    assert question().unread == ()
    assert set(take(Leaving("float32"), sgd_question(0.0))["w"]) == {"theta"}
    assert set(take(ReferenceBackend("float32"), sgd_question(0.5))["w"]) == {"theta", "u"}
    with pytest.raises(Fault, match="u of layer 'w' is read back as another"):
        take(Leaving("float32"), sgd_question(0.5))


class Meddling(ReferenceBackend):
    """A float32 backend that does something to the mappings that it was lent."""

    def __init__(self, meddle: Any) -> None:
        super().__init__("float32")
        self.meddle = meddle

    def start(self, spec: Any, params: Any, state: Any = None) -> Any:
        self.lent = params, state
        return super().start(spec, params, state)

    def step(self, handle: Any, grads: Any, lr: float) -> None:
        super().step(handle, grads, lr)
        self.meddle(*self.lent, grads)


@pytest.mark.parametrize(
    ("meddle", "verdict", "detail"),
    [
        (lambda p, s, g: g.pop("w"), GRADIENT, "other layers in g"),
        (lambda p, s, g: g.update(x=g["w"]), GRADIENT, "other layers in g"),
        (lambda p, s, g: g.update(w=g["w"] + 1), GRADIENT, "other arrays in g"),
        (lambda p, s, g: g.update(w=g["w"].astype(float)), GRADIENT, "other arrays in g"),
        (lambda p, s, g: g.update(w=g["w"].reshape(1, 2)), GRADIENT, "other arrays in g"),
        (lambda p, s, g: g.update(w=g["w"].tolist()), GRADIENT, "other arrays in g"),
        (lambda p, s, g: g.update(b=np.zeros(1)), GRADIENT, "other arrays in g"),
        (lambda p, s, g: g["w"].resize(1, 2, refcheck=False), GRADIENT, "layer 'w' is another"),
        (lambda p, s, g: p.pop("w"), INPUT, "other layers in theta"),
        (lambda p, s, g: p.update(b=p["b"] + 1), INPUT, "other arrays in theta"),
        (lambda p, s, g: s.pop("v"), INPUT, "has other slots"),
        (lambda p, s, g: s.update(x=1), INPUT, "has other slots"),
        (lambda p, s, g: s.update(t=4), INPUT, "has another t"),
        (lambda p, s, g: s.update(t=3.0), INPUT, "has another t"),
        (lambda p, s, g: s.update(m=None), INPUT, "has no layers in m"),
        (lambda p, s, g: s["v"].pop("b"), INPUT, "has other layers in v"),
        (lambda p, s, g: s["v"].update(b=s["v"]["b"] + 1), INPUT, "has other arrays in v"),
    ],
)
def test_mappings_are_lent_too(meddle: Any, verdict: str, detail: str) -> None:
    """To a step that is right in its numbers; a layer without a gradient has None."""
    shown, fault = look(Meddling(meddle), frozen())
    assert fault is not None
    assert (fault.verdict, detail in fault.detail) == (verdict, True)
    assert shown["w"]["theta"].tolist() == take(ReferenceBackend(), frozen())["w"]["theta"].tolist()


def frozen() -> Question:
    """Return a step of Adam on two layers, of which one has no gradient."""
    layers = {"w": np.array([1.0, 2.0]), "b": np.array([0.5])}
    return Question(
        spec=Adam().spec, slots=("m", "v"), grads={"w": np.array([0.25, -1.0]), "b": None}, lr=0.5,
        state=State(params=layers, t=3, m=layers, v=layers),
    )


def test_a_mapping_may_be_given_back_as_it_was() -> None:
    """Other arrays with the same numbers are no change that anyone could see."""

    def copies(params: Any, state: Any, grads: Any) -> None:
        grads["w"], params["w"], state["m"] = grads["w"].copy(), params["w"].copy(), {**state["m"]}

    assert look(Meddling(copies), frozen())[1] is None
    assert look(Meddling(lambda *_: None), frozen())[1] is None


# ------------------------------------------------------------------ what goes on


def begun(backend: ReferenceBackend) -> Session:
    """Return a session of Adam from a state."""
    return Session(backend, question())


def test_parameters_that_are_read_back_as_others_are_lost() -> None:
    """Though the state is not."""
    class Other(ReferenceBackend):
        def read(self, handle: Any) -> Any:
            found: Any = super().read(handle)
            return found | {"theta": {k: x + 1 for k, x in found["theta"].items()}}

    with pytest.raises(Fault, match="theta of layer 'w' is read back as another"):
        begun(Other("float32"))


def test_what_is_not_shown_is_hidden_unless_nothing_reads_it() -> None:
    """In any layer; a backend may show more."""
    class Some(ReferenceBackend):
        shows: ClassVar[tuple[str, ...]] = ("theta", "m", "v")

        def read(self, handle: Any) -> Any:
            found: Any = super().read(handle)
            return {slot: x for slot, x in found.items() if slot in self.shows}

    assert not begun(Some("float32")).hides
    session = begun(Some("float32"))
    session.step({"w": np.ones(2)}, 0.5)  # and lines besides
    assert not session.hides
    for shows in (("theta", "m"), ("theta",)):
        few = Some("float32")
        few.shows = shows  # type: ignore[misc]
        assert begun(few).hides
    state = State(params={"w": np.ones(2)}, t=1, u={"w": np.zeros(2)})
    for momentum, hides in ((0.0, False), (0.5, True)):
        spec = SGD(momentum=momentum).spec
        few = Some("float32")
        few.shows = ("theta",)  # type: ignore[misc]
        assert Session(few, Start(spec=spec, state=state, slots=("u",))).hides is hides


def test_a_session_goes_on_with_what_is_loaded() -> None:
    class Loads(ReferenceBackend):
        loaded = 0

        def reload(self, handle: Any) -> Any:
            self.loaded += 1
            return super().reload(handle)

    backend = Loads("float32")
    session = begun(backend)
    before, handle = session.shown, session.handle
    assert differing(before, session.reload()) is None
    assert (backend.loaded, session.handle is handle) == (1, False)


def test_the_first_fault_is_kept() -> None:
    """What is changed in a later step is no other one."""
    backend = Odd(input="m")
    session = Session(backend, question())
    session.step({"w": np.ones(2)}, 0.5)
    first = session.fault
    assert first is not None
    backend.odd = {}
    session.step({"w": np.ones(2)}, 0.5)
    assert session.fault is first


def test_shown_numbers_differ_by_their_bits_and_lines_do_not_count() -> None:
    one = {"w": {"theta": np.zeros(2), "m": np.ones(2), "update": np.zeros(2)}}
    assert differing(one, {"w": {**one["w"], "update": np.ones(2)}}) is None
    assert differing(one, {"w": {**one["w"], "m": np.array([1.0, 2.0])}}) == "m of layer 'w'"
    assert differing(one, {"w": {**one["w"], "theta": -np.zeros(2)}}) == "theta of layer 'w'"
    assert differing(one, {"w": {"theta": np.zeros(2)}}) == "m of layer 'w'"
