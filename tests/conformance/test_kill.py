"""The kill matrix: it is whole, it is what is measured, and it notices when it is not."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import FLOAT32
from paratrooper_ref.conformance import kill
from paratrooper_ref.conformance.kill import ENDLESS, LEFT, PROFILES, UNSEEN, Matrix, Row
from paratrooper_ref.conformance.measured import PACKAGE
from paratrooper_ref.golden import text
from paratrooper_ref.golden.bounds import MARGIN, margins
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import text as schema_text
from paratrooper_ref.variants import SCHEDULE_VARIANTS, VARIANTS, Variant

STORED = kill.load()
CORPUS = Corpus()


@pytest.mark.slow
def test_the_stored_matrix_is_whole_and_is_what_is_measured() -> None:
    """Every bug and every dialect is killed or left with a reason, and no number is stale."""
    found = kill.verify(jobs=2)
    assert found.errors == []
    assert found.exit_code == 0
    assert str(found).endswith("the kill matrix is whole")


def test_each_variant_has_a_row() -> None:
    """None is forgotten, and each is in the table of its kind."""
    rows = set(STORED.variants) | set(STORED.forms)
    assert rows == set(VARIANTS)
    assert set(STORED.schedules) == set(SCHEDULE_VARIANTS)
    assert all(VARIANTS[name].kind == "form" for name in STORED.forms)
    assert not set(STORED.variants) & set(STORED.forms)


def test_a_row_has_each_case_that_the_variant_fits() -> None:
    """By the manifest and the optimizers of the cases."""
    goldens = [CORPUS.load(e) for e in CORPUS.manifest().cases.values() if e.tier == "core"]
    for name, row in {**STORED.variants, **STORED.forms}.items():
        fits = {golden.case for golden in goldens if VARIANTS[name].fits(golden.optimizer)}
        for profile in PROFILES:
            assert set(row.seen[profile]) == fits


@pytest.mark.parametrize(
    "case",
    ["sgd/plain-decimal", "adamw/turning-dyadic", "lamb/ratios-decimal", "radam/late-dyadic"],
)
def test_margins_are_those_of_the_published_form_but_for_the_other_forms(case: str) -> None:
    """They widen a bound less than eightfold, so a variant is nearer, and never farther."""
    golden = CORPUS.load(CORPUS.manifest().cases[case])
    fitting = [v for v in VARIANTS.values() if v.kind != "form" and v.fits(golden.optimizer)]
    for name, away in margins(golden, fitting, (FLOAT32,)).items():
        k = STORED.variants[name].seen["float32"][case]
        if np.isinf(away):
            assert k == ENDLESS
        elif k == UNSEEN:
            assert away < 16
        else:
            assert away / 16 <= 2.0**k <= away


def test_the_claims_of_the_corpus_are_in_it() -> None:
    """What a case names is killed there."""
    for entry in CORPUS.manifest().cases.values():
        if entry.tier == "core":
            for name in CORPUS.load(entry).catches:
                seen = [STORED.variants[name].seen[profile][entry.case] for profile in PROFILES]
                assert 2 ** min(seen) >= MARGIN, (entry.case, name)


# What does not hold is said.


def with_row(kind: str, name: str, row: Row | None) -> Matrix:
    """Return the stored matrix with another row."""
    rows = {k: r for k, r in getattr(STORED, kind).items() if k != name}
    changes: dict[str, Any] = {kind: rows | ({} if row is None else {name: row})}
    return replace(STORED, **changes)


def seen_as(name: str, k: int, profile: str = "float32", kind: str = "variants") -> Row:
    """Return a row whose margins in a profile are all the same."""
    row: Row = getattr(STORED, kind)[name]
    return replace(row, seen={**row.seen, profile: dict.fromkeys(row.seen[profile], k)})


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (with_row("variants", "adam.eps_hat", seen_as("adam.eps_hat", 1)),
         "adam.eps_hat is killed by no core case: .* is 2 in float32"),
        (with_row("variants", "adam.eps_hat", seen_as("adam.eps_hat", UNSEEN, "float64")),
         "adam.eps_hat is killed by no core case: .* is < 1 in float64"),
        (with_row("schedules", "cosine.squared", seen_as("cosine.squared", 1, kind="schedules")),
         "cosine.squared is killed by no core case: .* is 2 in float32, in sgd/cosine-decimal"),
        (with_row("forms", "adam.root_first", seen_as("adam.root_first", 0, "float64", "forms")),
         "adam.root_first is a form of evaluation, and 1 bounds away in"),
    ],
)
def test_a_matrix_that_is_not_whole(matrix: Matrix, said: str) -> None:
    """Whoever is not killed is named, and so is a reason that is none, and a form that is off."""
    (found,) = kill.defects(matrix)
    assert re.match(said, found), found


def test_a_reason_that_is_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a variant that a case kills, or that there is not; nobody kills one that has a reason."""
    monkeypatch.setitem(LEFT, "cosine.squared", "no case has a cosine")
    (found,) = kill.defects(STORED)
    kills = "and sgd/cosine-decimal kills it"
    assert found == f"cosine.squared is left as 'no case has a cosine', {kills}"
    (found,) = kill.defects(with_row("schedules", "cosine.squared", None))
    assert found == "cosine.squared is left, and is no variant"
    unseen = seen_as("cosine.squared", UNSEEN, kind="schedules")
    assert list(kill.defects(with_row("schedules", "cosine.squared", unseen))) == []


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (replace(STORED, corpus="0" * 64), "is of another corpus: 000000000000"),
        (with_row("variants", "adam.eps_hat", None), "adam.eps_hat is not in kill.json"),
        (with_row("forms", "adam.never", Row("", {})), "adam.never is in kill.json"),
        (with_row("variants", "adam.eps_hat", seen_as("adam.eps_hat", 3)),
         "adam.eps_hat is .* bounds away in adam/.*, in float32, and kill.json says 8"),
        (with_row("variants", "adam.eps_hat", replace(STORED.variants["adam.eps_hat"], text="0")),
         "adam.eps_hat has been changed since"),
        (with_row("variants", "adam.eps_hat", Row(
            STORED.variants["adam.eps_hat"].text, {p: {} for p in PROFILES})),
         "adam.eps_hat has other cases than"),
    ],
)
def test_a_matrix_that_is_stale(matrix: Matrix, said: str) -> None:
    """Each difference of what is stored and what is measured is said once a variant."""
    (found,) = kill.differences(matrix, STORED)
    assert re.search(said, found), found


def test_a_variant_that_no_case_sees_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line written otherwise that says the same is not killed, and that is an error."""
    same = Variant(
        name="sgd.same", rules=("sgd",), was="update = lr * direction",
        line="update = direction * lr", kind="bug", seen="a test",
    )
    monkeypatch.setitem(VARIANTS, same.name, same)
    golden = CORPUS.load(CORPUS.manifest().cases["sgd/plain-decimal"])
    away = kill.of_rules(golden, [same])
    assert 0 < max(away["sgd.same"].values()) < 1
    row = Row("", {p: {golden.case: kill.floored(x)} for p, x in away["sgd.same"].items()})
    (found,) = kill.defects(with_row("variants", "sgd.same", row))
    assert found.startswith("sgd.same is killed by no core case")


def test_a_bug_that_raises_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception is no answer."""
    wrong = Variant(
        name="sgd.raises", rules=("sgd",), was="update = lr * direction",
        line="update = lr * missing", kind="bug", seen="a test",
    )
    monkeypatch.setitem(VARIANTS, wrong.name, wrong)
    golden = CORPUS.load(CORPUS.manifest().cases["sgd/plain-decimal"])
    assert kill.of_rules(golden, [wrong]) == {"sgd.raises": dict.fromkeys(PROFILES, np.inf)}


def test_nothing_to_kill_is_no_success() -> None:
    """An empty matrix has a status of its own."""
    assert kill.Found(Matrix("", {}, {}, {})).exit_code == 3


# The file.


def test_the_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    """To the byte; and what was written elsewhere is read from there."""
    written = kill.shipped().read_bytes()
    assert kill.dump(kill.parse(written)) == written
    assert kill.load(kill.shipped()) == STORED
    (tmp_path / "other.json").write_bytes(written)
    assert kill.load(tmp_path / "other.json") == STORED


def plain() -> Any:
    """Return the content of the file."""
    return text.read(kill.shipped().read_bytes(), kill.FILE)


def damaged() -> Iterator[tuple[Any, str]]:
    """Yield contents that are none, and what is said of them."""
    first = sorted(STORED.variants)[0]
    for change, said in (
        ({"format": "paratrooper-ref kill matrix 2"}, "format: needs to be"),
        ({"corpus": "x"}, "corpus: does not match"),
        ({"more": 1}, "more: is not a field"),
        ({"cases": []}, "names a case beyond"),
        ({"cases": [*plain()["cases"], "../x"]}, "does not match"),
        ({"profiles": ["float32", "float16"]}, "needs to be"),
    ):
        yield plain() | change, said
    for key, value, said in (
        ("float32", [0], "needs a margin in each profile"),
        ("float64", ["1"], "needs to be of type integer"),
        ("float64", [2001], "needs to be in"),
        ("cases", [1, 1], "has an item twice"),
        ("text", "0", "does not match"),
    ):
        found = plain()
        found["variants"][first][key] = value
        yield found, said


@pytest.mark.parametrize(("content", "said"), list(damaged()))
def test_a_damaged_file_is_refused(content: Mapping[str, Any], said: str) -> None:
    """With the file, the field and the reason."""
    with pytest.raises(GoldenError, match=said) as caught:
        kill.parse(text.write(content))
    assert str(caught.value).startswith(kill.FILE)


def test_the_schema_is_one() -> None:
    """The package jsonschema takes it, and takes what is shipped."""
    jsonschema = pytest.importorskip("jsonschema")
    whole = json.loads(schema_text("kill", PACKAGE))
    jsonschema.Draft202012Validator.check_schema(whole)
    jsonschema.Draft202012Validator(whole).validate(plain())


def test_nothing_is_left() -> None:
    """A case kills each variant, of rules and of schedules."""
    assert LEFT == {}
    assert all(row.killers() for row in STORED.rows.values())


def test_update_writes_what_is_measured(tmp_path: Path) -> None:
    """Whole, and where it is told to."""
    found = replace(kill.MATRIX, measured=lambda corpus, **_: STORED).update(tmp_path / "kill.json")
    assert found.holds
    assert (tmp_path / "kill.json").read_bytes() == kill.shipped().read_bytes()
    assert found.to_json()["variants"]["adam.eps_hat"]["killed by"] > 10
    without = with_row("variants", "adam.eps_hat", None)
    said = replace(kill.MATRIX, measured=lambda corpus, **_: without).verify().errors
    assert said == ["adam.eps_hat is in kill.json; rebuild it"]
