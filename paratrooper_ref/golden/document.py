"""A golden case as an object: a spec, steps with their inputs, and proved lines.

The text form, its schema and its meaning to readers in other languages are in
docs/golden-format.md; this module goes back and forth between the two.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.golden import text
from paratrooper_ref.golden.bits import Floats, from_hex, to_hex
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import validate
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import Optimizer, State, build
from paratrooper_ref.optimizers.state import SLOTS

FORMAT: Final = "paratrooper-ref golden 1"
LARGE: Final = 64  # elements: of a larger layer's lines a case keeps state and single numbers
_PATTERN: Final = re.compile(r"[0-9a-f]{16}")


class Value(NamedTuple):
    """Real numbers, each as the double nearest to it and the double nearest to what remains."""

    hi: Floats
    lo: Floats

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(self.hi.size)

    @property
    def rest(self) -> Floats:
        """The distance of hi from the numbers."""
        return np.abs(self.lo)


Lines = Mapping[str, Value | bool]


def kept(tag: str, size: int) -> bool:
    """Return whether a case stores this line of a layer of this size."""
    return size <= LARGE or tag in ("theta", *SLOTS) or TAGS[tag].extent != "element"


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step: what it is given, and what comes of it.

    Parameters
    ----------
    t : int
        The step's number, from 1.
    lr : float
        The effective learning rate.
    metric : float or None
        What the schedule was told before the step.
    warmup : str or None
        What "auto" had chosen before the step.
    inputs : mapping of layer to slot to Value or None
        "theta", the optimizer's slots, and "g", which is None for a frozen layer.
    lines : mapping of layer to tag to Value or bool
    model : mapping of tag to Value
        Lines of the whole model.
    """

    t: int
    lr: float
    metric: float | None = None
    warmup: str | None = None
    inputs: Mapping[str, Mapping[str, Value | None]]
    lines: Mapping[str, Lines]
    model: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Golden:
    """A case of the corpus.

    Parameters
    ----------
    case : str
        Its name, such as "adam/eps-decimal"; never used for another case.
    tier : str
        "core" or "full".
    about : str
        What it is there to show.
    catches : tuple of str
        Variants that differ visibly on this case.
    spec : mapping
        The optimizer, as `paratrooper_ref.build` takes it.
    layers : mapping of str to tuple of int
        Shapes by layer, in order.
    steps : tuple of Step
    problem, schedule : mapping or None
        Specs of the problem whose gradients these are, and of the schedule of the rates.
    growth : array or None
        By step, what a change of the start by one unit in the last place has become, relative
        to the largest parameter of its layer; of closed-loop cases.
    """

    case: str
    tier: str
    about: str
    catches: tuple[str, ...]
    spec: Mapping[str, Any]
    layers: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    problem: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    growth: Floats | None = None

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimizer of the case."""
        return build(self.spec)

    @property
    def values(self) -> int:
        """How many proved numbers the case holds; flags are not counted."""
        tables = [t for step in self.steps for t in (step.model, *step.lines.values())]
        return sum(x.size for t in tables for x in t.values() if isinstance(x, Value))

    def state(self, step: Step) -> State:
        """Return the state before a step, in doubles (what remains is left out)."""
        slots = [slot for slot in next(iter(step.inputs.values())) if slot not in ("g", "theta")]
        layers: dict[str, dict[str, Floats]] = {
            slot: {name: self.array(step.inputs[name][slot], name) for name in self.layers}
            for slot in ("theta", *slots)
        }
        params = layers.pop("theta")
        return State(params=params, t=step.t - 1, warmup=step.warmup, **layers)  # type: ignore[arg-type]

    def gradients(self, step: Step) -> dict[str, Floats | None]:
        """Return the gradients of a step, in doubles."""
        given = {name: step.inputs[name]["g"] for name in self.layers}
        return {name: None if g is None else self.array(g, name) for name, g in given.items()}

    def array(self, value: Value | None, layer: str) -> Floats:
        """Return the doubles of a value in the shape of a layer."""
        assert value is not None
        return value.hi.reshape(self.layers[layer])


# --------------------------------------------------------------------------- as text


def dump(golden: Golden) -> bytes:
    """Return the canonical bytes of a case."""
    return text.write(content(golden))


def content(golden: Golden) -> dict[str, Any]:
    """Return a case as plain data, its doubles in hexadecimal."""
    found = _facts(golden)
    for step, written in zip(golden.steps, found["steps"], strict=True):
        written["inputs"] = {
            layer: {slot: value and _given(value) for slot, value in slots.items()}
            for layer, slots in step.inputs.items()
        }
        written["lines"] = {
            layer: {tag: _line(line) for tag, line in lines.items()}
            for layer, lines in step.lines.items()
        }
        if step.model:
            written["model"] = {tag: _line(value) for tag, value in step.model.items()}
    return found


def _facts(golden: Golden) -> dict[str, Any]:
    """Return the content without inputs, lines and lines of the model."""
    found: dict[str, Any] = {
        "about": golden.about,
        "case": golden.case,
        "catches": list(golden.catches),
        "count": {"steps": len(golden.steps), "values": golden.values},
        "format": FORMAT,
        "layers": [{"name": k, "shape": list(shape)} for k, shape in golden.layers.items()],
        "spec": plain(golden.spec),
        "steps": [_step_facts(step) for step in golden.steps],
        "tier": golden.tier,
    }
    if golden.problem is not None:
        found["problem"] = plain(golden.problem)
    if golden.schedule is not None:
        found["schedule"] = plain(golden.schedule)
    if golden.growth is not None:
        found["growth"] = to_hex(golden.growth)
    return found


def _step_facts(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"t": step.t, "lr": to_hex(step.lr), "warmup": step.warmup}
    if step.metric is not None:
        found["metric"] = to_hex(step.metric)
    return found


def _given(value: Value) -> dict[str, Any]:
    found = {"hi": to_hex(value.hi)}
    return found | {"lo": to_hex(value.lo)} if value.lo.any() else found


def _line(line: Value | bool) -> dict[str, Any] | bool:
    return line if isinstance(line, bool) else {**_given(line), "proved": True}


def plain(x: Any) -> Any:
    """Return a spec as the corpus has it: every double a hexadecimal word.

    Raises
    ------
    ValueError
        If a word of it could be taken for a double.

    Examples
    --------
    >>> plain({"lr": 1.0, "k": 6, "warmup": "auto"})
    {'lr': '3ff0000000000000', 'k': 6, 'warmup': 'auto'}
    """
    if isinstance(x, Mapping):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(value) for value in x]
    if isinstance(x, float):
        return to_hex(x)
    if isinstance(x, str) and _PATTERN.fullmatch(x):
        msg = f"a word of 16 hexadecimal digits would be read as a double, got {x!r}"
        raise ValueError(msg)
    return x


def spec_of(x: Any) -> Any:
    """Return a spec with its hexadecimal words made doubles, the inverse of `plain`."""
    if isinstance(x, dict):
        return {key: spec_of(value) for key, value in x.items()}
    if isinstance(x, list):
        return [spec_of(value) for value in x]
    if isinstance(x, str) and _PATTERN.fullmatch(x):
        return float(from_hex(x)[0])
    return x


def parse(written: bytes, file: str) -> Golden:
    """Return the case that canonical bytes hold.

    Raises
    ------
    GoldenError
        If the bytes are no case of this format, or do not fit together.
    """
    return from_content(text.read(written, file), file)


def from_content(found: Any, file: str) -> Golden:
    """Return the case of a plain content, checked; see `parse`."""
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, str) and version != FORMAT:
        raise GoldenError(file, "format", f"is {version[:60]!r}, this release reads {FORMAT!r}")
    validate(found, "case", file)
    layers = {layer["name"]: tuple(layer["shape"]) for layer in found["layers"]}
    if len(layers) != len(found["layers"]):
        raise GoldenError(file, "layers", "has a name twice")
    reader = _Reader(file, layers)
    golden = Golden(
        case=found["case"],
        tier=found["tier"],
        about=found["about"],
        catches=tuple(found["catches"]),
        spec=spec_of(found["spec"]),
        layers=layers,
        steps=tuple(reader.step(step, f"steps[{i}]") for i, step in enumerate(found["steps"])),
        problem=spec_of(found.get("problem")),
        schedule=spec_of(found.get("schedule")),
        growth=from_hex(found["growth"]) if "growth" in found else None,
    )
    try:
        spec = golden.optimizer.spec
    except (ValueError, TypeError) as error:
        raise GoldenError(file, "spec", f"is not admitted: {error}") from None
    if plain(spec) != found["spec"]:
        raise GoldenError(file, "spec", "does not name every hyperparameter of its algorithm")
    for name, counted, actual in (
        ("count.steps", found["count"]["steps"], len(golden.steps)),
        ("count.values", found["count"]["values"], golden.values),
    ):
        if counted != actual:
            raise GoldenError(file, name, f"says {counted}, the file has {actual}")
    if golden.growth is not None and golden.growth.size != len(golden.steps):
        raise GoldenError(file, "growth", f"needs {len(golden.steps)} numbers, one a step")
    return golden


class _Reader:
    """Steps from their plain content, with the lengths that the layers ask for."""

    def __init__(self, file: str, layers: Mapping[str, tuple[int, ...]]) -> None:
        self.file = file
        self.sizes = {name: math.prod(shape) for name, shape in layers.items()}

    def step(self, found: dict[str, Any], where: str) -> Step:
        for part in ("inputs", "lines"):
            if list(found[part]) != sorted(self.sizes):
                names = ", ".join(sorted(self.sizes))
                raise GoldenError(self.file, f"{where}.{part}", f"needs the layers {names}")
        return Step(
            t=found["t"],
            lr=float(from_hex(found["lr"])[0]),
            metric=float(from_hex(found["metric"])[0]) if "metric" in found else None,
            warmup=found["warmup"],
            inputs={
                layer: {
                    slot: value and self.value(value, size, f"{where}.inputs.{layer}.{slot}")
                    for slot, value in found["inputs"][layer].items()
                }
                for layer, size in self.sizes.items()
            },
            lines={
                layer: {
                    tag: self.line(found["lines"][layer][tag], tag, size, f"{where}.lines.{layer}")
                    for tag in TAGS
                    if tag in found["lines"][layer]
                }
                for layer, size in self.sizes.items()
            },
            model={
                tag: self.value(value, 1, f"{where}.model.{tag}")
                for tag, value in found.get("model", {}).items()
            },
        )

    def line(self, found: Any, tag: str, size: int, where: str) -> Value | bool:
        if isinstance(found, bool):
            return found
        return self.value(found, size if TAGS[tag].extent == "element" else 1, f"{where}.{tag}")

    def value(self, found: dict[str, Any], size: int, where: str) -> Value:
        hi = self.doubles(found["hi"], size, f"{where}.hi")
        if "lo" not in found:
            return Value(hi, np.zeros(size))
        lo = self.doubles(found["lo"], size, f"{where}.lo")
        if not lo.any():
            raise GoldenError(self.file, f"{where}.lo", "is left out where it is 0 everywhere")
        if np.any(np.abs(lo) > np.abs(np.nextafter(hi, np.copysign(np.inf, lo)) - hi) / 2):
            raise GoldenError(self.file, f"{where}.lo", "is more than half a unit of hi")
        return Value(hi, lo)

    def doubles(self, found: str, size: int, where: str) -> Floats:
        try:
            x = from_hex(found)
        except ValueError as error:
            raise GoldenError(self.file, where, str(error)) from None
        if x.size != size:
            raise GoldenError(self.file, where, f"has {x.size} numbers, the layer {size}")
        return x


# --------------------------------------------------------------------------- as named arrays


def arrays(golden: Golden) -> dict[str, np.ndarray[Any, Any]]:
    """Return all that a case holds as named arrays, for containers of arrays.

    "about" has the rest of the content as canonical JSON, in bytes.  Names are paths, such as
    "steps/0/lines/w/m/hi"; a flag is an array of one byte, an absent `lo` is not there, and the
    shapes are those of the layers.
    """
    named: dict[str, np.ndarray[Any, Any]] = {}

    def put(path: str, value: Value | bool | None, shape: tuple[int, ...]) -> None:
        if isinstance(value, bool):
            named[path] = np.array([value], dtype=np.uint8)
        elif value is not None:
            named[f"{path}/hi"] = value.hi.reshape(shape)
            if value.lo.any():
                named[f"{path}/lo"] = value.lo.reshape(shape)

    for i, step in enumerate(golden.steps):
        for layer, shape in golden.layers.items():
            for slot, value in step.inputs[layer].items():
                put(f"steps/{i}/inputs/{layer}/{slot}", value, shape)
            for tag, line in step.lines[layer].items():
                extent = shape if TAGS[tag].extent == "element" else ()
                put(f"steps/{i}/lines/{layer}/{tag}", line, extent)
        for tag, value in step.model.items():
            put(f"steps/{i}/model/{tag}", value, ())
    named["about"] = np.frombuffer(text.write(_facts(golden)), dtype=np.uint8)
    return named


def digest(golden: Golden) -> str:
    """Return the content digest of a case, the same in every container.

    SHA-256 over the arrays of `arrays`, by sorted name: name, a zero byte, "f8" or "u1", a zero
    byte, the shape in decimal with commas, a zero byte, and the payload, doubles with their
    highest byte first.
    """
    return digest_of(arrays(golden))


def digest_of(named: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Return the content digest of named arrays, see `digest`."""
    whole = hashlib.sha256()
    for name in sorted(named):
        x = named[name]
        kind, stored = ("f8", ">f8") if x.dtype.kind == "f" else ("u1", "u1")
        head = "\0".join((name, kind, ",".join(map(str, x.shape)), ""))
        whole.update(head.encode() + x.astype(stored).tobytes())
    return whole.hexdigest()
