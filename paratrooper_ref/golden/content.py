"""A golden case as text: canonical JSON, and back with suspicion."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from paratrooper_ref.golden import text
from paratrooper_ref.golden.bits import Floats, from_hex, to_hex
from paratrooper_ref.golden.document import Golden, Step, Value
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import validate
from paratrooper_ref.lines import TAGS

FORMAT: Final = "paratrooper-ref golden 1"
_PATTERN: Final = re.compile(r"[0-9a-f]{16}")


def dump(golden: Golden) -> bytes:
    """Return the canonical bytes of a case."""
    return text.write(content(golden))


def content(golden: Golden) -> dict[str, Any]:
    """Return a case as plain data, its doubles in hexadecimal."""
    found = facts(golden)
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


def facts(golden: Golden) -> dict[str, Any]:
    """Return the content without inputs, lines and lines of the model."""
    found: dict[str, Any] = {
        "about": golden.about,
        "case": golden.case,
        "catches": list(golden.catches),
        "count": {"steps": len(golden.steps), "values": golden.values},
        "format": FORMAT,
        "layers": [{"name": k, "shape": list(shape)} for k, shape in golden.layers.items()],
        "spec": plain(golden.spec),
        "steps": [_stepfacts(step) for step in golden.steps],
        "tier": golden.tier,
    }
    if golden.problem is not None:
        found["problem"] = plain(golden.problem)
    if golden.schedule is not None:
        found["schedule"] = plain(golden.schedule)
    if golden.growth is not None:
        found["growth"] = to_hex(golden.growth)
    return found


def _stepfacts(step: Step) -> dict[str, Any]:
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
