"""A small validator for the schemas that are shipped with the corpus.

It knows the part of JSON Schema 2020-12 that they use, says where the first defect is, and needs
nothing but Python; tests hold it equal to the package jsonschema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, Final, NoReturn

from paratrooper_ref.golden.error import GoldenError

Check = Callable[[Any], None]

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
}
_KNOWN: Final = frozenset(
    {
        "$comment", "$defs", "$id", "$ref", "$schema", "additionalProperties", "anyOf", "const",
        "description", "enum", "items", "maxItems", "maxLength", "maximum", "minItems",
        "minLength", "minProperties", "minimum", "pattern", "properties", "propertyNames",
        "required", "title", "type", "uniqueItems",
    }
)


class _Defect(Exception):
    """A defect, with the path to it gathered on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason, self.path = reason, ""


GOLDEN: Final = "paratrooper_ref.golden"


def validate(content: Any, schema: str, file: str, package: str = GOLDEN) -> None:
    """Hold a content to one of the schemas that a package ships, here "case" or "manifest".

    Raises
    ------
    GoldenError
        At the first defect.
    """
    try:
        _compiled(schema, package)(content)
    except _Defect as defect:
        raise GoldenError(file, defect.path.lstrip("."), defect.reason) from None


@cache
def text(schema: str, package: str = GOLDEN) -> str:
    """Return a shipped schema as it is written."""
    folder = resources.files(package) / "schema"
    return (folder / f"{schema}.schema.json").read_text("ascii")


@cache
def _compiled(schema: str, package: str) -> Check:
    whole = json.loads(text(schema, package))
    return compiled(whole, whole)


def compiled(schema: dict[str, Any], whole: dict[str, Any]) -> Check:
    """Return a function that raises at the first defect of a content.

    Raises
    ------
    ValueError
        If the schema uses a keyword that this validator does not know.
    """
    unknown = schema.keys() - _KNOWN
    if unknown:
        msg = f"the validator does not know {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    if "$ref" in schema:
        if len(schema) > 1:
            msg = f"the validator does not know $ref beside {', '.join(schema.keys() - {'$ref'})}"
            raise ValueError(msg)
        return _referred(schema["$ref"], whole)
    makers = (_type, _choice, _string, _integer, _array, _object)
    checks: list[Check] = [c for make in makers if (c := make(schema, whole)) is not None]
    if "anyOf" in schema:
        checks.append(_any([compiled(option, whole) for option in schema["anyOf"]]))

    def check(x: Any) -> None:
        for one in checks:
            one(x)

    return checks[0] if len(checks) == 1 else check


def _referred(reference: str, whole: dict[str, Any]) -> Check:
    name = reference.removeprefix("#/$defs/")
    made: list[Check] = []

    def check(x: Any) -> None:  # made when first needed: a definition may refer to itself
        if not made:
            made.append(compiled(whole["$defs"][name], whole))
        made[0](x)

    return check


def _fail(reason: str) -> NoReturn:
    raise _Defect(reason)


def _shown(x: Any) -> str:
    written = json.dumps(x)
    return written if len(written) <= 60 else written[:57] + "..."


def _type(schema: dict[str, Any], whole: dict[str, Any]) -> Check | None:
    if "type" not in schema:
        return None
    name = schema["type"]
    wanted = _TYPES[name]

    def check(x: Any) -> None:
        if not isinstance(x, wanted) or (isinstance(x, bool) and name == "integer"):
            _fail(f"needs to be of type {name}, got {_shown(x)}")

    return check


def _choice(schema: dict[str, Any], whole: dict[str, Any]) -> Check | None:
    if "const" not in schema and "enum" not in schema:
        return None
    words = schema.get("enum", [schema.get("const")])

    def check(x: Any) -> None:
        if not any(type(x) is type(word) and x == word for word in words):
            _fail(f"needs to be {' or '.join(map(_shown, words))}, got {_shown(x)}")

    return check


def _string(schema: dict[str, Any], whole: dict[str, Any]) -> Check | None:
    if not schema.keys() & {"pattern", "minLength", "maxLength"}:
        return None
    pattern = re.compile(schema.get("pattern", ""))
    least, most = schema.get("minLength", 0), schema.get("maxLength", float("inf"))

    def check(x: Any) -> None:
        if not isinstance(x, str):
            return
        if not least <= len(x) <= most:
            _fail(f"has {len(x)} characters, {least} to {most} are admitted")
        if not pattern.search(x):
            _fail(f"does not match {pattern.pattern}: {_shown(x)}")

    return check


def _integer(schema: dict[str, Any], whole: dict[str, Any]) -> Check | None:
    if not schema.keys() & {"minimum", "maximum"}:
        return None
    least, most = schema.get("minimum", -float("inf")), schema.get("maximum", float("inf"))

    def check(x: Any) -> None:
        if type(x) is int and not least <= x <= most:
            _fail(f"needs to be in [{least}, {most}], got {x}")

    return check


def _array(schema: dict[str, Any], whole: dict[str, Any]) -> Check | None:
    if not schema.keys() & {"items", "minItems", "maxItems", "uniqueItems"}:
        return None
    item = compiled(schema["items"], whole) if "items" in schema else None
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    unique = schema.get("uniqueItems", False)

    def check(x: Any) -> None:
        if not isinstance(x, list):
            return
        if not least <= len(x) <= most:
            _fail(f"has {len(x)} items, {least} to {most} are admitted")
        if unique and len({json.dumps(a, sort_keys=True) for a in x}) != len(x):
            _fail("has an item twice")
        if item is None:
            return
        for i, a in enumerate(x):
            try:
                item(a)
            except _Defect as defect:
                defect.path = f"[{i}]{defect.path}"
                raise

    return check


def _object(schema: dict[str, Any], whole: dict[str, Any]) -> Check | None:
    wanted = {"properties", "required", "additionalProperties", "propertyNames", "minProperties"}
    if not schema.keys() & wanted:
        return None
    properties = {k: compiled(v, whole) for k, v in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    others = schema.get("additionalProperties", True)
    other = compiled(others, whole) if isinstance(others, dict) else None
    names = compiled(schema["propertyNames"], whole) if "propertyNames" in schema else None
    least = schema.get("minProperties", 0)

    def check(x: Any) -> None:
        if not isinstance(x, dict):
            return
        missing = required - x.keys()
        if missing:
            _fail(f"lacks {', '.join(sorted(missing))}")
        if len(x) < least:
            _fail(f"has {len(x)} members, at least {least} are needed")
        for key, value in x.items():
            try:
                if names is not None:
                    names(key)
                if key in properties:
                    properties[key](value)
                elif other is not None:
                    other(value)
                elif others is False:
                    _fail("is not a field of this format")
            except _Defect as defect:
                defect.path = f".{key[:80]}{defect.path}"
                raise

    return check


def _any(options: list[Check]) -> Check:
    def check(x: Any) -> None:
        reasons = []
        for option in options:
            try:
                option(x)
            except _Defect as defect:
                reasons.append(f"{defect.path} {defect.reason}".strip())
            else:
                return
        _fail("; or: ".join(reasons))

    return check
