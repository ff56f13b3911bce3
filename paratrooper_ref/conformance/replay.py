"""Replays: a failure as a file, which any backend can be asked again without hypothesis.

Written as the golden files are: canonical JSON, doubles in hexadecimal, a closed schema that is
checked on reading.  What each field means is in docs/replay-format.md.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic.running import Running
from paratrooper_ref.conformance import attribute, judge
from paratrooper_ref.conformance.attribute import Explained
from paratrooper_ref.conformance.backend import Backend
from paratrooper_ref.conformance.dialect import variants_of
from paratrooper_ref.conformance.follow import (
    Discarded,
    Event,
    Expected,
    Failed,
    Run,
    allowed,
    computed,
    held_to,
    unheld,
)
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.session import Shown
from paratrooper_ref.conformance.step import Question
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    UNSTABLE,
    UNSUPPORTED,
    Departure,
    Result,
)
from paratrooper_ref.conformance.wanted import Number, Wanted
from paratrooper_ref.conformance.watch import SECONDS, Watch
from paratrooper_ref.files import replacing
from paratrooper_ref.golden import text
from paratrooper_ref.golden.bits import Floats, from_hex, to_hex
from paratrooper_ref.golden.content import plain, spec_of
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import validate
from paratrooper_ref.optimizers import State, build

FORMAT: Final = "paratrooper-ref replay 1"
FOLDER: Final = ".paratrooper-replays"
LONGEST: Final = 2000  # characters of a detail

Content = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a replay file says, checked.

    Parameters
    ----------
    spec, profile, dialect
        The optimizer, the arithmetic that was declared, the variant it was meant to be.
    layers : mapping of str to tuple of int
        Shapes.
    events : sequence of Event
        What was asked.
    judge : {"own", "propagated"}
        See `paratrooper_ref.conformance.follow.Run`.
    held : Expected or None
        What the last step should give, and its bounds.
    got : mapping or None
        What the backend showed after it, by layer and slot.
    verdict, detail, backend, case : str
        What was said, of whom, and on which golden case.
    digest : str
        The SHA-256 of the file.
    """

    spec: Mapping[str, Any]
    profile: Profile
    dialect: str | None
    layers: Mapping[str, tuple[int, ...]]
    events: tuple[Event, ...]
    judge: Any
    held: Expected | None
    got: Mapping[str, Mapping[str, Floats]] | None
    verdict: str
    detail: str
    backend: str
    case: str
    digest: str


# ---------------------------------------------------------------------------- writing


def to_replay(
    question: Question,
    profile: Profile,
    case: str = "",
    *,
    backend: str = "",
    dialect: str | None = None,
    verdict: str = DEPARTS,
    detail: str = "",
    expected: Wanted | None = None,
    shown: Shown | None = None,
) -> Content:
    """Return a single step as the content of a replay file, for `save`.

    Parameters
    ----------
    question : Question
        The step, in doubles that the profile's dtypes hold.
    profile : Profile
    case : str
        The golden case that it is from.
    backend, dialect, verdict, detail : str
        Who failed at it, as what, and how.
    expected : Wanted, optional
        Proved numbers; they are computed where they are left out.
    shown : Shown, optional
        What the backend showed after the step.
    """
    given = (question.state, question.grads, question.lr)
    found = None
    try:
        optimizer = held_to(question.spec, dialect)
        bounds = allowed(optimizer, *given, profile, {})
        found = _expected(expected or computed(optimizer, *given), bounds)
    except Discarded:
        pass  # there is nothing to be held to, and the verdict says why
    events = [
        Event(do="start", state=question.state),
        Event(do="step", grads=question.grads, lr=question.lr),
    ]
    return _content(
        spec=question.spec, profile=profile, dialect=dialect, events=events, judge="own",
        expected=found, shown=shown, verdict=verdict, detail=detail, backend=backend, case=case,
    )


def of_failure(failed: Failed, case: str = "") -> Content:
    """Return what a failure of a followed backend needs, as the content of a replay file."""
    run, taken = failed.run, failed.taken
    return _content(
        spec=run.spec, profile=run.profile, dialect=run.dialect, events=run.events,
        judge=run.judge, verdict=failed.verdict, detail=failed.detail, backend=run.backend.name,
        case=case, shown=taken and taken.shown,
        expected=None if taken is None else _expected(taken.wanted, taken.bounds),
    )


def _content(
    *, spec: Mapping[str, Any], profile: Profile, dialect: str | None, events: Any, judge: str,
    expected: Any, shown: Any, verdict: str, detail: str, backend: str, case: str,
) -> Content:
    optimizer = build(spec)
    first: State = events[0].state
    slots = ("theta", *optimizer.slots())
    got = shown and {
        layer: {slot: to_hex(x) for slot, x in of.items() if slot in slots}
        for layer, of in shown.items()
    }
    return {
        "backend": _printable(backend)[:400],
        "case": case,
        "detail": _printable(detail)[:LONGEST],
        "dialect": dialect,
        "events": [_event(event, slots) for event in events],
        "expected": expected,
        "format": FORMAT,
        "got": got or None,
        "judge": judge,
        "layers": [{"name": k, "shape": list(np.shape(x))} for k, x in first.params.items()],
        "profile": plain(asdict(profile)),
        "spec": plain(optimizer.spec),
        "verdict": verdict,
    }


def _event(event: Event, slots: tuple[str, ...]) -> Content:
    found: Content = {"do": event.do, "handle": event.handle}
    if event.do == "start":
        state = event.state
        assert state is not None
        return found | {
            "t": state.t, "warmup": state.warmup,
            "slots": {
                layer: {slot: to_hex(state.slot(slot)[layer]) for slot in slots}
                for layer in state.params
            },
        }
    if event.do == "step":
        grads = {k: None if g is None else to_hex(g) for k, g in event.grads.items()}
        return found | {"lr": to_hex(event.lr), "gradients": grads}
    return found


def _expected(wanted: Wanted, bounds: Any) -> Content:
    return {
        layer: {
            slot: _number(number, bounds[layer][slot].error if layer in bounds else 0.0)
            for slot, number in slots.items()
        }
        for layer, slots in wanted.items()
    }


def _number(number: Number, bound: Any) -> Content:
    found = {"hi": to_hex(number.hi), "bound": to_hex(np.broadcast_to(bound, number.hi.shape))}
    rest = {"lo": number.lo, "slack": number.slack}
    return found | {name: to_hex(x) for name, x in rest.items() if np.any(x)}


def _printable(words: str) -> str:
    line = " ".join(words.split())
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in line)


def save(content: Mapping[str, Any], folder: Path | str = FOLDER) -> Path:
    """Write a replay into a folder, which is made, and return the file's path.

    The name follows from the content: the same failure is written once.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    written = text.write(dict(content))
    what = re.sub("[^a-z]+", "-", content["verdict"])
    name = f"{content['spec']['algorithm']}-{what}-{hashlib.sha256(written).hexdigest()[:12]}.json"
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(written)
    return path


# ---------------------------------------------------------------------------- reading


def load(path: Path | str) -> Replay:
    """Read a replay file.

    Raises
    ------
    GoldenError
        If there is none, or it is damaged or of another format; names file and field.
    """
    return parse(text.load(Path(path), str(path)), str(path))


def parse(written: bytes, file: str) -> Replay:
    """Return the replay that canonical bytes hold; see `load`."""
    found = text.read(written, file)
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, str) and version != FORMAT:
        raise GoldenError(file, "format", f"is {version[:60]!r}, this release reads {FORMAT!r}")
    validate(found, "replay", file)
    return _Reader(file, found).replay(hashlib.sha256(written).hexdigest())


class _Reader:
    """A replay from its plain content, with what a schema cannot say."""

    def __init__(self, file: str, found: Content) -> None:
        self.file, self.found = file, found
        self.layers = {layer["name"]: tuple(layer["shape"]) for layer in found["layers"]}
        if len(self.layers) != len(found["layers"]):
            raise GoldenError(file, "layers", "has a name twice")

    def replay(self, digest: str) -> Replay:
        found = self.found
        spec = self._admitted("spec", lambda: build(spec_of(found["spec"])).spec)
        if plain(spec) != found["spec"]:
            self._refuse("spec", "does not name every hyperparameter of its algorithm")
        odd = sorted(found["spec"].get("layers", {}).keys() - self.layers.keys())
        if odd:
            self._refuse("spec.layers", f"has {odd[0]!r}, which is none of the layers")
        self.slots = build(spec).slots()
        profile = self._admitted("profile", lambda: Profile(**spec_of(found["profile"])))
        self._admitted("dialect", lambda: variants_of(found["dialect"]))
        return Replay(
            spec=spec, profile=profile, dialect=found["dialect"], layers=self.layers,
            events=self.events(), judge=found["judge"], held=self.held(), got=self.got(),
            verdict=found["verdict"], detail=found["detail"], backend=found["backend"],
            case=found["case"], digest=digest,
        )

    def _refuse(self, field: str, reason: str) -> Any:
        raise GoldenError(self.file, field, reason)

    def _admitted(self, field: str, make: Any) -> Any:
        try:
            return make()
        except (ValueError, TypeError) as error:
            return self._refuse(field, f"is not admitted: {error}")

    def events(self) -> tuple[Event, ...]:

        events: list[Event] = []
        started = 0
        for i, event in enumerate(self.found["events"]):
            do, handle, where = event["do"], event["handle"], f"events[{i}]"
            if do == "start":
                if handle != started:
                    self._refuse(f"{where}.handle", f"is {handle}, the next to start is {started}")
                started += 1
                events.append(Event(do=do, handle=handle, state=self.state(event, where)))
                continue
            if handle >= started:
                self._refuse(f"{where}.handle", f"is {handle}, which has not been started")
            if do == "step":
                grads = self.gradients(event["gradients"], f"{where}.gradients")
                lr = float(from_hex(event["lr"])[0])
                if not lr >= 0:
                    self._refuse(f"{where}.lr", f"needs to be >= 0, got {lr}")
                events.append(Event(do=do, handle=handle, grads=grads, lr=lr))
            else:
                events.append(Event(do=do, handle=handle))
        return tuple(events)

    def state(self, event: Content, where: str) -> State:
        slots: dict[str, Any] = {slot: {} for slot in ("theta", *self.slots)}
        self._same(event["slots"], self.layers, f"{where}.slots", "layers")
        for layer, shape in self.layers.items():
            given, at = event["slots"][layer], f"{where}.slots.{layer}"
            self._same(given, slots, at, "slots")
            for slot in slots:
                slots[slot][layer] = self.doubles(given[slot], layer, f"{at}.{slot}").reshape(shape)
        return State(
            params=slots.pop("theta"), t=event["t"], warmup=event["warmup"], **slots
        )

    def gradients(self, given: Content, where: str) -> dict[str, Any]:
        self._same(given, self.layers, where, "layers")
        return {
            k: None if given[k] is None
            else self.doubles(given[k], k, f"{where}.{k}").reshape(self.layers[k])
            for k in self.layers
        }

    def held(self) -> Expected | None:

        given = self.found["expected"]
        if given is None:
            return None
        self._same(given, self.layers, "expected", "layers")
        wanted: dict[str, dict[str, Number]] = {}
        bounds: dict[str, dict[str, Any]] = {}
        for layer in self.layers:
            self._same(given[layer], ("theta", *self.slots), f"expected.{layer}", "slots")
            wanted[layer], bounds[layer] = {}, {}
            for slot, number in given[layer].items():
                zero = to_hex(np.zeros(math.prod(self.layers[layer])))
                hi, lo, slack, bound = (
                    self.doubles(number.get(part, zero), layer, f"expected.{layer}.{slot}.{part}")
                    for part in ("hi", "lo", "slack", "bound")
                )
                wanted[layer][slot] = Number(hi, lo, slack)
                bounds[layer][slot] = Running(hi, bound)
        return Expected(wanted, bounds, all_forms=True)

    def got(self) -> dict[str, dict[str, Floats]] | None:
        given = self.found["got"]
        if given is None:
            return None
        self._same(given, self.layers, "got", "layers")
        return {
            layer: {
                slot: self.doubles(given[layer][slot], layer, f"got.{layer}.{slot}")
                for slot in given[layer]
            }
            for layer in self.layers
        }

    def _same(self, given: Mapping[str, Any], needed: Any, where: str, what: str) -> None:
        if sorted(given) != sorted(needed):
            self._refuse(where, f"needs the {what} {', '.join(sorted(needed))}")

    def doubles(self, written: str, layer: str, where: str) -> Floats:
        x = from_hex(written)
        size = math.prod(self.layers[layer])
        if x.size != size:
            self._refuse(where, f"has {x.size} numbers, the layer {size}")
        return x


# ---------------------------------------------------------------------------- asking again


def run(replay: Replay | Path | str, backend: Backend, *, seconds: float | None = None) -> Report:
    """Ask a backend what a replay asks, and return a report of one result.

    The backend's own profile holds, as it declares it now.  A single step is held to the
    numbers of the file, if that is the profile they are for; all else is computed again.

    Raises
    ------
    GoldenError
        If the file is damaged.
    """
    asked = replay if isinstance(replay, Replay) else load(replay)
    watch = Watch(SECONDS if seconds is None else seconds)
    failed, verdict, detail = None, CONFORMS, ""
    held = asked.held if backend.profile == asked.profile else None
    taken: list[Any] = []
    try:
        going = Run(
            backend, asked.spec, dialect=asked.dialect, judge=asked.judge, watch=watch
        )
        taken = going.taken
        if reason := unheld(asked.events, backend.profile):
            raise Discarded(UNSUPPORTED, reason)
        if [event.do for event in asked.events] == ["start", "step"]:
            start, step = asked.events
            assert start.state is not None
            going.once(start.state, step.grads, step.lr, held)
        else:
            for event in asked.events:
                going.do(event)
    except Failed as error:
        failed = error
    except Discarded as reason:
        verdict = UNSTABLE if reason.kind == UNSTABLE else UNSUPPORTED
        detail = reason.detail
    finally:
        watch.close()
    case = asked.case or f"replay/{asked.digest[:12]}"
    if failed is not None:
        return report(failed, case, digest=asked.digest, steps=len(asked.events) - 1)
    result = Result(
        case=case, verdict=verdict, detail=detail, steps=len(taken), of=len(asked.events) - 1,
        shares=tuple(share for step in taken for share in step.shares),
    )
    return _report(backend, asked.spec, asked.dialect, result, asked.digest)


def report(failed: Failed, case: str, *, digest: str = "", steps: int = 0) -> Report:
    """Return a report of a failure, with the first line that departs and what it looks like."""
    was, taken = failed.run, failed.taken
    departure: Departure | None = None
    found = attribute.Explained()
    if taken is not None:
        asked = taken.question
        departure = judge.first_departure(
            taken.optimizer, asked.state, asked.grads, asked.lr, was.profile, taken.shown,
            max(taken.shares, key=lambda s: s.share),
        )
        found = attribute.explained(was.taken, was.profile)
    result = Result(
        case=case, verdict=failed.verdict, detail=failed.detail,
        t=None if taken is None else taken.question.state.t + 1, steps=len(was.taken), of=steps,
        shares=tuple(share for step in was.taken for share in step.shares), departure=departure,
        likes=found.likes,
    )
    return _report(was.backend, was.spec, was.dialect, result, digest, found)


def _report(
    backend: Backend, spec: Mapping[str, Any], dialect: str | None, result: Result, digest: str,
    found: Explained | None = None,
) -> Report:

    explains: Any = found and {
        "likes": found.likes, "constants": found.constants, "fits": found.profile
    }
    return Report(
        backend=backend.name, algorithm=str(spec["algorithm"]), dialect=dialect, tier="replay",
        corpus="replay", digest=digest, profile=backend.profile, total=1, results=[result],
        **(explains or {}),
    )


__all__ = ["Replay", "load", "of_failure", "run", "save", "to_replay"]
