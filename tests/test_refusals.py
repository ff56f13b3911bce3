"""Bad input gets one clear message, who needs what and what it got, and changes nothing."""

import math
import warnings
from collections.abc import Callable
from dataclasses import Field
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import OPTIMIZERS
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.optimizer import Optimizer
from paratrooper_ref.schedules import SCHEDULES
from problems import CATALOGUE

START = {"w": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.25, -0.5])}


def make(name: str, **hyper: Any) -> Optimizer:
    """Return an optimizer by its algorithm's name."""
    inner: dict[str, Any] = {"inner": pr.AdamW()} if name == "lookahead" else {}
    return OPTIMIZERS[name](**inner, **hyper)


def fields() -> list[Any]:
    """Return every hyperparameter of every optimizer, from the declarations."""
    return [
        pytest.param(name, field, id=f"{name}-{field.name}")
        for name, family in OPTIMIZERS.items()
        for field in family.__dataclass_fields__.values()
        if field.metadata
    ]


@pytest.mark.parametrize(("name", "field"), fields())
def test_what_a_hyperparameter_does_not_admit_is_refused(name: str, field: Field[Any]) -> None:
    """Out of range, NaN, of another type: the message names the optimizer, the range, the value."""
    who = OPTIMIZERS[name].__name__
    bad: list[object] = ["a word", [1.0], math.nan, -1, -math.inf, 1j, np.ones(2)]
    declared = field.metadata
    if "range" in declared:
        most = declared["range"].most
        bad += [True, declared["range"].least - 1e-9]
        if math.isfinite(most):
            bad += [most + 1e-9, math.inf] + ([] if declared["range"].closed else [most])
    elif "least" in declared:
        bad += [True, 2.5, declared["least"] - 1]
    else:
        bad += [1, 0, "None"]
    if None not in declared.get("words", ()):
        bad.append(None)

    for value in bad:
        with pytest.raises((ValueError, TypeError)) as refused:
            make(name, **{field.name: value})

        message = str(refused.value)
        assert message.startswith(f"{who} needs ")
        assert field.name in message.split(", got ")[0]
        assert message.endswith(f"got {field.name}={value!r}")


@pytest.mark.parametrize(("name", "field"), fields())
def test_the_ends_of_a_range_are_admitted(name: str, field: Field[Any]) -> None:
    """What the declaration includes is taken, as a double; words are taken as they are."""
    declared = field.metadata
    admitted: list[Any] = list(declared.get("words", ()))
    if "range" in declared:
        admitted.append(declared["range"].least)
        if declared["range"].closed:
            admitted.append(declared["range"].most)
    elif "least" in declared:
        admitted += [declared["least"], np.int64(declared["least"] + 3)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a run that never moves
        for value in admitted:
            assert getattr(make(name, **{field.name: value}), field.name) == value


def test_unknown_arguments_are_refused() -> None:
    """A dataclass says so itself; build adds the nearest known name."""
    with pytest.raises(TypeError, match="beta3"):
        pr.Adam(beta3=0.5)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="Adam needs known hyperparameters, got 'bata1'; did you"):
        pr.build({"algorithm": "adam", "hyper": {"bata1": 0.5}})
    with pytest.raises(ValueError, match="got algorithm='adm'; did you mean 'adam'"):
        pr.build({"algorithm": "adm"})
    with pytest.raises(ValueError, match="build needs the parts of a spec, got 'hyperr'"):
        pr.build({"algorithm": "adam", "hyperr": {}})
    with pytest.raises(ValueError, match="build needs a known algorithm, got algorithm='None'"):
        pr.build({})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_spec_builds_the_same_optimizer(name: str) -> None:
    """What build refuses is not what spec writes."""
    optimizer = make(name, lr=0.5) if name != "lookahead" else make(name, k=3)
    optimizer = optimizer.for_layers({"b": {"lr": 0.25}})

    again = pr.build(optimizer.spec)

    assert again == optimizer
    assert again.spec == optimizer.spec


def test_lookahead_goes_around_what_has_no_slow_weights() -> None:
    """A second pair of slow weights would have no slot of its own."""
    for inner in (pr.Ranger(), pr.Paratrooper(), pr.Lookahead(inner=pr.SGD())):
        with pytest.raises(ValueError, match="Lookahead needs an inner optimizer without slow"):
            pr.Lookahead(inner=inner)
    with pytest.raises(TypeError, match="got inner='adam'"):
        pr.Lookahead(inner="adam")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"b": {"beta3": 0.5}}, "for_layers needs hyperparameters of a layer, got beta3"),
        ({"b": {"weight_decai": 0}}, "did you mean 'weight_decay'"),
        ({"b": {"beta1": 1.0}}, "Paratrooper.for_layers 'b' needs 0 <= beta1 < 1, got beta1=1.0"),
        ({"b": {"warmup": "none"}}, "got warmup='none'"),
        ({"b": {"adapt": 0}}, "got adapt=0"),
    ],
)
def test_for_layers_refuses_what_a_layer_cannot_have(hyper: Any, message: str) -> None:
    """The layer, the name and the value are in the message."""
    with pytest.raises(ValueError, match=message):
        pr.Paratrooper().for_layers(hyper)


def test_adapt_is_for_trust_ratios_alone() -> None:
    """Adam has none to switch off."""
    with pytest.raises(ValueError, match=r"Adam.for_layers needs hyperparameters of a layer"):
        pr.Adam().for_layers({"b": {"adapt": False}})


def test_layers_named_beforehand_must_be_there() -> None:
    """A misspelt layer would silently keep the shared hyperparameters; of an inner one too."""
    own = {"bb": {"lr": 0.1}}

    for optimizer in (pr.Adam().for_layers(own), pr.Lookahead(inner=pr.Adam().for_layers(own))):
        with pytest.raises(ValueError, match=r"got no 'bb'; did you mean 'b'\?"):
            optimizer.init(START)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, ValueError, "Adam.init needs at least one named layer"),
        (np.ones(3), TypeError, "Adam.init needs at least one named layer"),
        ({1: np.ones(3)}, TypeError, "layers named by strings, got name=1"),
        ({"x": np.ones(3, int)}, TypeError, r"got x of int64; convert with array.astype\(float\)"),
        ({"x": [1, 2]}, TypeError, "got x of int64"),
        ({"x": np.ones(3, bool)}, TypeError, "got x of bool"),
        ({"x": np.ones(3, complex)}, TypeError, "got x of complex128"),
        ({"x": np.array([1, 2], dtype=object)}, TypeError, "got x of objects of int"),
        ({"x": np.array([np.int64(1)], dtype=object)}, TypeError, "got x of objects of int64"),
        ({"x": np.array([Fraction(1), 1.5], dtype=object)}, TypeError, "of Fraction, float"),
        ({"x": np.array([None], dtype=object)}, TypeError, "got x of objects of NoneType"),
        ({"x": np.array(["a"], dtype=object)}, TypeError, "got x of objects of str"),
        (
            {
                "x": np.array([Fraction(1)], dtype=object),
                "y": np.array([flint.arb(1)], dtype=object),
            },
            TypeError,
            "one dtype for all layers, got x: Fraction and y: arb",
        ),
        ({"x": np.ones((0, 2))}, ValueError, r"layers with elements, got x.shape=\(0, 2\)"),
        (
            {"x": np.ones(3), "y": np.ones(3, np.float32)},
            TypeError,
            "one dtype for all layers, got x: float64 and y: float32",
        ),
        ({"x": np.array([1.0, math.nan])}, pr.NonFiniteError, r"finite parameter, got x\[1\]=nan"),
    ],
)
def test_init_refuses(params: Any, error: type[Exception], message: str) -> None:
    """No layers, no elements, integers, mixed dtypes, what is not finite."""
    with pytest.raises(error, match=message):
        pr.Adam().init(params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scalars": "double"}, "got scalars='double' with float64 arrays"),
        ({"batch_axes": -1}, "an integer batch_axes >= 0, got batch_axes=-1"),
        ({"batch_axes": 1.5}, "got batch_axes=1.5"),
        ({"batch_axes": 2}, r"2 leading batch axes, got b.shape=\(2,\)"),
    ],
)
def test_init_refuses_options(options: dict[str, Any], message: str) -> None:
    """A scalar mode that is none, axes that the arrays do not have."""
    with pytest.raises(ValueError, match=message):
        pr.Adam().init(START, **options)


def test_init_refuses_unlike_batches() -> None:
    """All layers have the same rows."""
    with pytest.raises(ValueError, match=r"one batch for all layers, got x: \(3,\) and y: \(4,\)"):
        pr.Adam().init({"x": np.ones((3, 2)), "y": np.ones((4, 2))}, batch_axes=1)


def grads(**changed: Any) -> dict[str, Any]:
    """Return good gradients with some layers changed; ``...`` leaves one out."""
    layers: dict[str, Any] = {name: np.ones_like(x) for name, x in START.items()} | changed
    return {name: g for name, g in layers.items() if g is not ...}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ones(2), TypeError, "Adam.step needs a gradient for each named layer"),
        (grads(bb=np.ones(2)), ValueError, "known layers, got 'bb'; did you mean 'b'"),
        (grads(b=...), ValueError, "each layer, got none for 'b'; None freezes it"),
        (grads(b=np.ones(3)), ValueError, r"b's gradient of shape \(2,\), got \(3,\)"),
        (grads(w=np.ones(4)), ValueError, r"w's gradient of shape \(2, 2\), got \(4,\)"),
        (grads(b=np.ones(2, np.float32)), TypeError, "b's gradient in float64, got float32"),
        (grads(b=np.ones(2, int)), TypeError, "b's gradient in float64, got int64"),
        (
            grads(w=np.array([[1.0, 1.0], [math.inf, 1.0]])),
            pr.NonFiniteError,
            r"step 3 needs a finite gradient, got w\[1, 0\]=inf",
        ),
    ],
)
def test_step_refuses_and_leaves_the_state_alone(
    given: Any, error: type[Exception], message: str
) -> None:
    """The state that was passed in can take the step again, with a good gradient."""
    optimizer = pr.Adam()
    state = optimizer.init(START)
    for _ in range(2):
        state, _ = optimizer.step(state, grads())
    before = {name: x.tobytes() for name, x in state.params.items()}

    with pytest.raises(error, match=message):
        optimizer.step(state, given)

    assert state.t == 2
    assert {name: x.tobytes() for name, x in state.params.items()} == before
    assert optimizer.step(state, grads())[0].t == 3


def test_a_non_finite_error_says_where() -> None:
    """The layer, the index and the step are attributes, and survive a process boundary."""
    import pickle

    optimizer = pr.Adam()

    with pytest.raises(pr.NonFiniteError) as refused:
        optimizer.step(optimizer.init(START), grads(b=np.array([1.0, math.nan])))

    for error in (refused.value, pickle.loads(pickle.dumps(refused.value))):
        assert (error.layer, error.index, error.t) == ("b", (1,), 1)
        assert str(error) == "step 1 needs a finite gradient, got b[1]=nan"


def test_a_result_that_overflows_is_named() -> None:
    """g² of a finite gradient may be infinite: v is refused, the state stays."""
    optimizer = pr.Adam()
    state = optimizer.init({"x": np.ones(2)})

    with pytest.raises(pr.NonFiniteError, match=r"step 1 needs a finite result v, got x\[1\]=inf"):
        optimizer.step(state, {"x": np.array([1.0, 1e200])})


@pytest.mark.parametrize("lr", [-1e-3, math.nan, math.inf, "fast", True])
def test_step_refuses_a_bad_rate(lr: Any) -> None:
    """The effective rate is held to the declaration of lr."""
    optimizer = pr.Adam()

    with pytest.raises((ValueError, TypeError), match=r"Adam.step needs finite lr >= 0, got lr="):
        optimizer.step(optimizer.init(START), grads(), lr=lr)


def test_a_rate_of_zero_has_no_proportion() -> None:
    """A layer's own rate cannot keep its proportion to a shared rate of 0."""
    optimizer = pr.Adam(lr=0.0).for_layers({"b": {"lr": 0.1}})

    with pytest.raises(ValueError, match=r"shared lr > 0 to scale the lr of layer 'b', got lr=0.0"):
        optimizer.step(optimizer.init(START), grads(), lr=0.5)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda: pr.State(params=START, t=1), "step needs state.m, got None; start from init"),
        (
            lambda: pr.State(params=START, m=START, v={"w": START["w"]}),
            r"state.v\['b'\] to be float64 \(2,\), got None",
        ),
        (
            lambda: pr.State(params=START, m=START, v=START | {"b": np.ones(3)}),
            r"state.v\['b'\] to be float64 \(2,\), got float64 \(3,\)",
        ),
        (
            lambda: pr.State(params=START, m=START, v=START | {"b": np.ones(2, np.float32)}),
            r"to be float64 \(2,\), got float32 \(2,\)",
        ),
        (lambda: pr.State(params=START, m=START, v=START, t=-1), "state.t >= 0, got t=-1"),
        (lambda: pr.State(params={}, m={}, v={}), "at least one named layer"),
        (
            lambda: pr.State(params=START, m=START, v=START, warmup="Momentum"),
            "state.warmup 'momentum' or 'none', or one a row, got warmup='Momentum'",
        ),
        (
            lambda: pr.State(params=START, m=START, v=START, alive=np.array(True)),
            "state.alive of bools for a batch",
        ),
        (
            lambda: pr.State(params=START, m=START, v=START, batch_axes=1, alive=np.ones(3, bool)),
            "one batch for all layers|state.alive of bools",
        ),
        (lambda: pr.State(params=START, m=START, v=START, batch_axes=3), "3 leading batch axes"),
        (
            lambda: pr.State(params=START, m=START, v=START, t=1.5),  # type: ignore[arg-type]
            "state.t >= 0, got t=1.5",
        ),
    ],
)
def test_step_refuses_a_state_that_is_not_the_optimizers(
    state: Callable[[], pr.State], message: str
) -> None:
    """Slots missing, or shaped unlike the parameters, or a t that counts no steps."""
    with pytest.raises(ValueError, match=message):
        pr.Adam().step(state(), grads())


def test_step_needs_a_state() -> None:
    """Whatever else comes is named, and what to do."""
    with pytest.raises(TypeError, match=r"needs a State, got state=None; start from init"):
        pr.Adam().step(None, grads())  # type: ignore[arg-type]


def test_numpy_integers_count_steps_too() -> None:
    """A t out of a stored array is the same step as Python's, and leaves no trace of its type."""
    z = {name: np.zeros_like(x) for name, x in START.items()}

    for t in (np.int64(40), 40):
        state, _ = pr.Paratrooper().step(
            pr.State(params=START, t=t, m=z, v=z, slow=START, warmup="momentum"),  # type: ignore[arg-type]
            grads(),
        )
        assert type(state.t) is int
        assert state.t == 41


def test_a_state_built_by_hand_is_copied() -> None:
    """What comes back shares no memory with arrays that somebody can still change."""
    mine = {name: x.copy() for name, x in START.items()}
    zeros = {name: np.zeros_like(x) for name, x in START.items()}
    given = pr.State(params=mine, t=1, m=zeros, v=zeros, slow=mine)

    state, _ = pr.Ranger().step(given, grads(b=None))
    mine["b"][:] = mine["w"][:] = zeros["w"][:] = 99.0

    assert np.array_equal(state.params["b"], START["b"])
    assert state.slow is not None
    assert np.array_equal(state.slow["w"], START["w"])


def test_a_batch_built_by_hand_marks_its_rows() -> None:
    """Without an alive mask all rows are alive, and one that is not finite stops alone."""
    rows = {"x": np.ones((2, 3))}
    zeros = {"x": np.zeros((2, 3))}
    bad = {"x": np.array([[1.0, math.nan, 1.0], [1.0, 1.0, 1.0]])}

    state, _ = pr.Adam().step(pr.State(params=rows, m=zeros, v=zeros, batch_axes=1), bad)

    assert state.alive is not None
    assert state.alive.tolist() == [False, True]


def test_a_row_of_balls_that_is_no_number_stops_alone() -> None:
    """No ball decides what a NaN is; it is a dead row, not an undecided comparison."""
    one, nan = flint.arb(1), flint.arb("nan")
    rows = {"x": np.array([[one, one], [one, one]], dtype=object)}
    optimizer = pr.Paratrooper()

    state, _ = optimizer.step(
        optimizer.init(rows, batch_axes=1), {"x": np.array([[nan, one], [one, one]], dtype=object)}
    )

    assert state.alive is not None
    assert state.alive.tolist() == [False, True]


def test_an_infinite_ceiling_never_binds() -> None:
    """It is a line like any other, and the ratio is below it."""
    optimizer = pr.Paratrooper(cap=math.inf, warmup="momentum")

    _, lines = optimizer.step(optimizer.init(START), grads())

    assert lines["w"]["cap"] == math.inf
    assert lines["w"]["trust_ratio"] == max(1.0, lines["w"]["ratio"])


def test_a_step_at_a_million_million_costs_no_more() -> None:
    """Powers are logarithmic in t and sums of far magnitudes are never written out."""
    z = {name: np.zeros_like(x) for name, x in START.items()}
    state = pr.State(params=START, t=10**12, m=z, v=z, slow=START, warmup="momentum")

    state, lines = pr.Paratrooper().step(state, grads())

    assert state.t == 10**12 + 1
    assert lines["w"]["beta2_t"] == 0.0
    assert lines["w"]["cap"] == 1.0


def test_bytes_in_the_other_order_become_native() -> None:
    """Stored arrays may be big-endian; what comes back is not."""
    state = pr.Adam().init({"x": np.ones(2, ">f8"), "y": np.ones(2, ">f8")})

    for _ in range(2):
        state, _ = pr.Adam().step(state, {"x": np.ones(2, ">f8"), "y": None})

    assert state.params["y"].dtype == np.dtype("=f8")


def test_rows_without_a_step_have_no_trust_ratio() -> None:
    """A row that waits took no branch, so its line is absent (NaN), even where it would be 1."""
    optimizer = pr.Paratrooper().for_layers({"x": {"adapt": False}})
    start = {"x": np.ones((2, 2))}

    _, lines = optimizer.step(
        optimizer.init(start, batch_axes=1), {"x": np.array([[1e-3, 0.0], [1e3, 0.0]])}
    )

    assert lines["x"]["trust_ratio"][0] == 1.0
    assert np.isnan(lines["x"]["trust_ratio"][1])


def test_a_state_of_integers_is_refused() -> None:
    """Stored arrays may have lost their dtype: said before a hyperparameter is cut to 0."""
    whole = {"x": np.ones(2, int)}

    with pytest.raises(TypeError, match="got x of int64"):
        pr.SGD().step(pr.State(params=whole, u=whole), {"x": np.ones(2, int)})


def test_number_systems_without_a_root_say_so() -> None:
    """Fractions take SGD's steps; Adam needs a root that they do not have."""
    start = {"x": np.array([Fraction(1, 3)], dtype=object)}

    with pytest.raises(TypeError, match="takes a sqrt, and Fraction has none; use floats or arb"):
        pr.Adam().step(pr.Adam().init(start), start)


def test_a_ball_that_may_be_zero_is_undecided() -> None:
    """Whether the trust ratio is 1 depends on it, so the step is refused, not guessed."""
    start = {"x": np.array([flint.arb(0, 1e-9)], dtype=object)}
    grad = {"x": np.array([flint.arb(1)], dtype=object)}
    optimizer = pr.LARS(form="2019")

    with pytest.raises((pr.Undecided, pr.NonFiniteError)):
        optimizer.step(optimizer.init(start), grad)


def test_a_run_that_can_never_move_is_warned_of() -> None:
    """With beta2 <= 2/3 the average is never longer than 5, so "none" waits for ever."""
    short = {"x": np.ones(2)}
    chosen = pr.Paratrooper(beta2=0.6)

    with pytest.warns(UserWarning, match="never moves: rho stays below threshold=5 for beta2=0.6"):
        pr.RAdamW(beta2=0.6, warmup="none").init(short)
    with pytest.warns(UserWarning, match="Paratrooper with warmup 'none' never moves"):
        state, _ = chosen.step(chosen.init(short), {"x": np.full(2, 100.0)})
    assert state.warmup == "none"
    with pytest.warns(UserWarning, match="never moves in layer 'a'"):
        pr.Paratrooper(warmup="none").for_layers({"a": {"beta2": 0.5}}).init({"a": np.ones(2)})
    chosen.step(chosen.init(short), {"x": np.full(2, 1e-3)})  # momentum: no warning
    pr.RAdamW(beta2=0.7, warmup="none").init(short)


KNOWN = [*OPTIMIZERS, *TAGS, *CATALOGUE, *SCHEDULES, "npz", "verify", "weight_decay", "cap", "lo"]


NONSENSE = (
    "foo bar baz qux xyzzy qwerty asdf blah zzz hello nonsense frobnicate nofile thing dog abc q "
    "foobar 123 ipsum wibble mine something optimizer fancy resnet model"
)


@pytest.mark.parametrize("word", NONSENSE.split())
def test_nonsense_gets_no_guess(word: str) -> None:
    """It is nobody's slip; what is known is said all the same."""
    assert nearest(word, KNOWN) == f"known: {', '.join(KNOWN)}"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("adm", "adam"), ("ragner", "ranger"), ("RAdam", "radam"), ("npy", "npz"),
        ("plato", "plateau"), ("para", "paratrooper"), ("rosen", "rosenbrock"),
        ("decay", "weight_decay"), ("evrify", "verify"), ("paratroper", "paratrooper"),
        ("ol", "lo"), ("lamp", "lamb"), ("lookahed", "lookahead"), ("adam_w", "adamw"),
        ("eight_decai", "weight_decay"),
    ],
)
def test_a_slip_gets_the_word_that_was_meant(word: str, meant: str) -> None:
    """A letter more or less, another or two swapped; a beginning, a part, and most of a word."""
    assert nearest(word, KNOWN).startswith(f"did you mean {meant!r}? known: ")
