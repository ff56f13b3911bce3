"""Replay files: one text for one failure, read with suspicion, asked again without hypothesis."""

from __future__ import annotations

import copy
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import numpy as np
import pytest

from paratrooper_ref.conformance import Profile, ReferenceBackend, replay
from paratrooper_ref.conformance.backend import Params, Spec
from paratrooper_ref.conformance.follow import Failed, Run
from paratrooper_ref.conformance.gate import Gate
from paratrooper_ref.conformance.step import Question
from paratrooper_ref.conformance.verdict import DEPARTS
from paratrooper_ref.conformance.wanted import proved
from paratrooper_ref.golden import schema, text
from paratrooper_ref.golden.bits import from_hex, to_hex
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.optimizers import SGD, Adam, Lookahead, Optimizer, Paratrooper, State

PAGE: Final = (Path(__file__).parents[2] / "docs" / "replay-format.md").read_text("utf-8")
WRONG: Final = ReferenceBackend("float32", variant="step.uphill")
SWAPS: Final = ReferenceBackend("float32", variant="adam.betas_swapped")
HONEST: Final = ReferenceBackend("float32")


def example() -> dict[str, Any]:
    """Return the content of the page's example."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = text.read(block.encode(), "page")
    return found


def failure(backend: Any, optimizer: Optimizer, events: Callable[[Run], Any], **how: Any) -> Failed:
    """Return how a backend fails at some events."""
    run = Run(backend, optimizer.spec, **how)
    with pytest.raises(Failed) as caught:
        events(run)
    return caught.value


def state(**slots: Any) -> State:
    """Return a state of two layers."""
    theta = {"w": np.array([[1.0, -3.0]]), "b": np.array(0.5)}
    return State(params=theta, t=slots.pop("t", 3), **slots)


def like(x: float) -> dict[str, Any]:
    """Return a slot of the two layers."""
    return {"w": np.full((1, 2), x), "b": np.array(x)}


GRADS: Final[dict[str, Any]] = {"w": np.array([[0.25, -1.0]]), "b": None}


def single() -> dict[str, Any]:
    """Return the content of a failure of one step."""
    found = failure(WRONG, SGD(lr=0.5, momentum=0.5), lambda run: run.once(
        state(u=like(0.125)), GRADS, 0.25
    ))
    return replay.of_failure(found, "sgd/step")


def several(judge: str = "own") -> dict[str, Any]:
    """Return the content of a failure of several events, two optimizers among them."""

    def events(run: Run) -> None:
        run.start(state(m=like(0.0), v=like(0.0), t=0))
        run.reload()
        run.start(state(m=like(0.5), v=like(1.0)))
        run.read()
        for handle in (0, 1):
            run.step(dict.fromkeys(GRADS), 0.5, handle)
        run.step(GRADS, 0.5, 1)

    return replay.of_failure(failure(SWAPS, Adam(beta2=0.5), events, judge=judge))


# ---------------------------------------------------------------------------- writing and reading


@pytest.mark.parametrize("make", [single, several, lambda: several("propagated")])
def test_what_is_written_is_read(make: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    """All of it, to the last bit."""
    content = make()
    path = replay.save(content, tmp_path / "new" / "folder")
    found = replay.load(path)
    assert (found.verdict, found.detail) == (DEPARTS, content["detail"])
    assert found.layers == {"w": (1, 2), "b": ()}
    assert found.profile == Profile(dtype="float32")
    again = replay._content(
        spec=found.spec, profile=found.profile, dialect=found.dialect, events=found.events,
        judge=found.judge, expected=content["expected"], shown=found.got, verdict=found.verdict,
        detail=found.detail, backend=found.backend, case=found.case,
    )
    assert text.write(again) == path.read_bytes()
    assert found.held is not None
    for layer, slots in content["expected"].items():
        for slot, number in slots.items():
            assert to_hex(found.held.expected[layer][slot].hi) == number["hi"]
            assert to_hex(found.held.allowed[layer][slot].error) == number["bound"]


def test_one_failure_is_one_file(tmp_path: Path) -> None:
    """Named after what it says, whole, and nothing beside it."""
    first, second = (replay.save(single(), tmp_path) for _ in range(2))
    assert first == second
    assert re.fullmatch("sgd-departs-[0-9a-f]{12}.json", first.name)
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    other = single() | {"backend": "somebody else"}
    assert replay.save(other, tmp_path) != first


def test_what_backends_say_is_made_printable(tmp_path: Path) -> None:
    """Also over several lines, and at any length."""

    class Says(ReferenceBackend):
        def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
            raise RuntimeError("größer\n\0" * 1000)

    found = failure(Says(), SGD(), lambda run: run.once(state(u=like(0.0)), GRADS, 0.25))
    loaded = replay.load(replay.save(replay.of_failure(found), tmp_path))
    assert loaded.verdict == "raises"
    assert loaded.detail.startswith("RuntimeError: gr\\xf6\\xdfer")
    assert loaded.held is None


def test_numbers_that_are_none_are_kept(tmp_path: Path) -> None:
    """What a backend has shown, whatever it is; -0 too."""
    content = single()
    content["got"]["w"]["theta"] = to_hex([np.nan, -0.0])
    found = replay.load(replay.save(content, tmp_path))
    assert found.got is not None
    assert to_hex(found.got["w"]["theta"]) == content["got"]["w"]["theta"]


# ---------------------------------------------------------------------------- asking again


@pytest.mark.parametrize("judge", ["own", "propagated"])
def test_runs_are_asked_again(judge: str, tmp_path: Path) -> None:
    """Whoever was wrong is wrong again, at the same place; whoever is honest is not."""
    path = replay.save(several(judge), tmp_path)
    report = replay.run(path, SWAPS)
    (result,) = report.results
    assert report.exit_code == 1
    assert result.verdict == DEPARTS
    assert result.detail == replay.load(path).detail
    honest = replay.run(path, HONEST)
    assert honest.ok, str(honest)
    assert "1 conform" in honest.summary


def test_a_single_step_is_held_to_the_file(tmp_path: Path) -> None:
    """Its numbers count, if they are for the profile that is declared."""
    content = single()
    number = content["expected"]["w"]["theta"]
    number["hi"] = to_hex(from_hex(number["hi"]) + 2.0**-10)
    path = replay.save(content, tmp_path)
    assert replay.run(path, HONEST).exit_code == 1
    other = ReferenceBackend("float32")
    other.profile = Profile(dtype="float32", scalars="array")
    assert replay.run(path, other).ok


def test_what_a_dtype_does_not_hold_is_unsupported(tmp_path: Path) -> None:
    """And nothing ran."""
    content = single()
    content["events"][0]["slots"]["w"]["theta"] = to_hex([1.0, 1e5])
    report = replay.run(replay.save(content, tmp_path), ReferenceBackend("float16"))
    assert report.exit_code == 3
    assert report.results[0].detail == "inputs that float16 does not hold"


def test_a_branch_that_is_not_decided_is_no_pass(tmp_path: Path) -> None:
    """The verdict is its own."""

    class Narrow(ReferenceBackend):
        def __init__(self) -> None:
            super().__init__("float32")
            self.profile = Profile(dtype="float32", scalars="array")

    question = Question(
        spec=Paratrooper(beta2=0.9999, warmup="momentum").spec, slots=("m", "v", "slow"),
        state=state(m=like(0.0), v=like(1.0), slow=like(0.0), t=4), grads=GRADS, lr=0.5,
    )
    content = replay.to_replay(question, Narrow().profile, verdict="unstable branch")
    assert content["expected"] is None
    report = replay.run(replay.save(content, tmp_path), Narrow())
    assert report.results[0].verdict == "unstable branch"
    assert report.exit_code == 1


def test_a_dialect_is_kept(tmp_path: Path) -> None:
    """Whoever was held to one is held to it again."""
    dialect = ReferenceBackend("float32", variant="adam.eps_hat")
    before = state(m=like(0.5), v=like(2.0**-20))
    found = failure(
        HONEST, Adam(eps=0.125), lambda run: run.once(before, GRADS, 0.25), dialect="adam.eps_hat"
    )
    path = replay.save(replay.of_failure(found), tmp_path)
    assert replay.run(path, HONEST).exit_code == 1
    assert replay.run(path, dialect).ok


def test_questions_of_the_gate_are_replays(tmp_path: Path) -> None:
    """With the proved numbers of the corpus, where they are given."""
    corpus = Corpus()
    golden = corpus.load(corpus.manifest().cases["adam/tiny-decimal"])
    step = golden.steps[0]
    question = Gate(HONEST).question(golden, step, golden.optimizer)
    wrong = ReferenceBackend("float32", variant="adam.eps_hat")
    for expected in (None, proved(golden, step)):
        content = replay.to_replay(
            question, HONEST.profile, golden.case, backend=wrong.name, expected=expected
        )
        path = replay.save(content, tmp_path)
        found = replay.load(path)
        assert found.held is not None
        slack = [x.slack.any() for of in found.held.expected.values() for x in of.values()]
        assert any(slack) == (expected is None)
        report = replay.run(path, wrong)
        assert report.exit_code == 1
        assert report.results[0].case == golden.case
        assert "looks like adam.eps_hat" in str(report)
        assert replay.run(path, HONEST).ok


def test_a_replay_needs_no_hypothesis(tmp_path: Path) -> None:
    """Nor anything else but NumPy."""
    path = replay.save(single(), tmp_path)
    code = f"""
import sys
for name in ("hypothesis", "pytest", "torch", "jax", "optax", "flint", "matplotlib", "jsonschema"):
    sys.modules[name] = None
from paratrooper_ref.conformance import ReferenceBackend, replay
assert replay.run({str(path)!r}, ReferenceBackend("float32")).ok
assert not replay.run({str(path)!r}, ReferenceBackend("float32", variant="step.uphill")).ok
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


# ---------------------------------------------------------------------------- suspicion


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of a field at a path such as "events.0.t"; None takes it away."""

    def changed(content: dict[str, Any]) -> None:
        *way, last = path.split(".")
        at: Any = content
        for part in way:
            at = at[int(part) if isinstance(at, list) else part]
        if value is None:
            del at[last]
        else:
            at[int(last) if isinstance(at, list) else last] = value

    return changed


ONE = to_hex(1.0)
DAMAGED: Final[Mapping[str, tuple[Any, str, str]]] = {
    "another format": (change("format", "paratrooper-ref replay 2"), "format", "this release"),
    "a field more": (change("more", 1), "more", "not a field"),
    "a field less": (change("judge", None), "", "lacks judge"),
    "no event": (change("events", []), "events", "0 items"),
    "an unknown event": (change("events.1.do", "jump"), "events[1]", "needs to be"),
    "a step before a start": (
        lambda c: c["events"].reverse(), "events[0].handle", "has not been started"
    ),
    "a start out of order": (change("events.0.handle", 1), "events[0].handle", "next to start"),
    "another layer": (
        change("events.1.gradients", {"w": f"{ONE} {ONE}", "c": ONE}), "events[1].gradients",
        "needs the layers b, w",
    ),
    "another slot": (
        change("events.0.slots.b", {"theta": ONE, "m": ONE}), "events[0].slots.b",
        "needs the slots theta, u",
    ),
    "too few numbers": (
        change("events.0.slots.w.u", ONE), "events[0].slots.w.u", "has 1 numbers, the layer 2"
    ),
    "an infinite input": (
        change("events.0.slots.b.u", "7ff0000000000000"), "events[0]", "does not match"
    ),
    "a negative bound": (
        change("expected.b.u.bound", to_hex(-1.0)), "expected", "does not match"
    ),
    "a negative rate": (change("events.1.lr", to_hex(-1.0)), "events[1].lr", ">= 0"),
    "an unknown verdict": (change("verdict", "fine"), "verdict", "needs to be"),
    "an unknown dialect": (change("dialect", "sgd.nothing"), "dialect", "needs a known variant"),
    "an unknown algorithm": (change("spec.algorithm", "sgdx"), "spec", "not admitted"),
    "a hyperparameter less": (
        change("spec.hyper.lr", None), "spec", "does not name every hyperparameter"
    ),
    "a hyperparameter of another": (change("spec.hyper.beta1", ONE), "spec", "not admitted"),
    "hyperparameters of no layer": (
        change("spec.layers", {"c": {"lr": ONE}}), "spec.layers", "none of the layers"
    ),
    "a layer twice": (
        lambda c: c["layers"].append(c["layers"][0]), "layers", "has a name twice"
    ),
    "division too good to be true": (change("profile.division", to_hex(0.0)), "profile", "not adm"),
    "an unknown dtype": (change("profile.dtype", "float8"), "profile.dtype", "needs to be"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damage_is_one_error(what: str, tmp_path: Path) -> None:
    """It names the file, the field and the reason."""
    damage, field, reason = DAMAGED[what]
    content = copy.deepcopy(single())
    damage(content)
    path = tmp_path / "it.json"
    path.write_bytes(text.write(content))
    with pytest.raises(GoldenError) as caught:
        replay.load(path)
    assert caught.value.file == str(path)
    assert caught.value.field.startswith(field)
    assert reason in caught.value.reason
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing there, a folder, bytes that are no JSON, JSON that is no replay or not canonical."""
    whole = text.write(single())
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    (tmp_path / "list").write_bytes(b"[]\n")
    (tmp_path / "loose").write_bytes(json.dumps(json.loads(whole)).encode())
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    for name in ("nothing", ".", "bytes", "list", "loose", "half"):
        with pytest.raises(GoldenError):
            replay.run(tmp_path / name, HONEST)


def mutated(content: Any, random_: random.Random) -> Any:
    """Return a content with something in it exchanged, taken away, doubled or added."""
    found = copy.deepcopy(content)
    places = list(_places(found))
    holder, key = random_.choice(places)
    values: list[Any] = [None, True, 0, -1, 7, "", "x", ONE, f"{ONE} {ONE}", [], {}, "start", "b"]
    way = random_.randrange(4)
    if way == 0:
        holder[key] = random_.choice(values)
    elif way == 1:
        del holder[key]
    elif way == 2:
        other, name = random_.choice(places)
        holder[key] = copy.deepcopy(other[name]) if name in _keys(other) else None
    elif isinstance(holder, dict):
        holder[random_.choice(["more", "lo", "slack", "u", "w", "inner", "layers"])] = (
            random_.choice(values)
        )
    else:
        holder.append(random_.choice(values))
    return found


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(_keys(found)):
        yield found, key
        if isinstance(found[key], (dict, list)):
            yield from _places(found[key])


def test_whatever_is_changed_a_file_is_read_or_refused(tmp_path: Path) -> None:
    """Never with another exception; and the schema says what jsonschema says of it."""
    random_ = random.Random(5)
    whole = json.loads(schema.text("replay"))
    jsonschema.Draft202012Validator.check_schema(whole)
    other = jsonschema.Draft202012Validator(whole)
    counted = {True: 0, False: 0}
    lookahead = failure(
        ReferenceBackend("float32", variant="step.uphill"),
        Lookahead(inner=SGD(lr=0.5), k=2).for_layers({"b": {"weight_decay": 0.5}}),
        lambda run: run.once(state(u=like(0.0), slow=like(0.5)), GRADS, 0.25),
    )
    for content in (example(), single(), several(), replay.of_failure(lookahead)):
        assert other.is_valid(content)
        for _ in range(400):
            changed = mutated(content, random_)
            try:
                schema.validate(changed, "replay", "x")
                admitted = True
            except GoldenError:
                admitted = False
            assert admitted == other.is_valid(changed), changed
            try:
                found = replay.parse(text.write(changed), "x")
            except GoldenError:
                found = None
            counted[found is not None] += 1
            if found is not None and random_.random() < 0.1:
                replay.run(found, HONEST)
    assert min(counted.values()) > 40, counted


# ---------------------------------------------------------------------------- the page


def test_the_example_of_the_page_holds(tmp_path: Path) -> None:
    """It is what the kit writes, and who reads it says what the page says."""
    content = example()
    path = replay.save(content, tmp_path)
    found = replay.load(path)
    assert found.held is not None
    assert replay.run(path, HONEST).ok
    assert replay.run(path, WRONG).results[0].detail == found.detail
    assert found.got is not None
    for layer, slots in found.held.expected.items():
        for slot, number in slots.items():
            off = abs((found.got[layer][slot] - number.hi) - number.lo) - number.slack
            conforms = bool(np.all(off <= found.held.allowed[layer][slot].error))
            assert conforms == (slot == "u")
    written = Run(WRONG, found.spec)
    start, step = found.events
    with pytest.raises(Failed) as caught:
        written.once(start.state, step.grads, step.lr)  # type: ignore[arg-type]
    assert replay.of_failure(caught.value) | {"backend": "mine"} == content


def test_the_page_names_every_field() -> None:
    """And the schema no others; what may be absent is said to be."""
    whole = json.loads(schema.text("replay"))
    parts = {
        "A replay": [whole], "A profile": [whole["$defs"]["profile"]],
        "What is expected": [whole["$defs"]["number"]],
        "An event": [whole["$defs"][name] for name in ("start", "step", "other")],
    }
    for title, objects in parts.items():
        (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
        rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE))
        assert rows.keys() == {name for of in objects for name in of["properties"]}
        for of in objects:
            for name in of["properties"]:
                assert ("absent" in rows[name]) == (name not in of["required"]), name
    assert f"`{replay.FORMAT}`" in PAGE
    assert f"`{replay.FOLDER}`" in PAGE


def test_specs_are_those_of_golden_files() -> None:
    """The two schemas say the same of an optimizer and of layers."""
    ours, theirs = (json.loads(schema.text(name)) for name in ("replay", "case"))
    for name in ("layer", "word", "setting", "settings", "spec"):
        assert ours["$defs"][name] == theirs["$defs"][name]
    assert ours["properties"]["layers"] == theirs["properties"]["layers"]
