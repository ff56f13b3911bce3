"""Counting: what results come to, in an exit code, in a line and in full."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from paratrooper_ref.conformance import Expectation, Profile, Report
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    RAISES,
    UNSUPPORTED,
    Constant,
    Departure,
    Like,
    Result,
    Share,
)


def result(case: str, verdict: str = CONFORMS, **more: Any) -> Result:
    """Return a result of a case of two steps."""
    given: dict[str, Any] = {"detail": "", "steps": 2, "of": 2, "shares": ()} | more
    return Result(case=case, verdict=verdict, **given)


def report(*results: Result, **more: Any) -> Report:
    """Return a report of all there is."""
    given: dict[str, Any] = {"total": len(results)} | more
    return Report(
        backend="b", algorithm="a", tier="core", corpus="1", digest="0123456789",
        profile=Profile(), results=results, **given,
    )


def at(share: float, tag: str = "theta") -> Share:
    """Return a share of a layer."""
    return Share(t=1, layer="w", tag=tag, share=share, got=1.5, wanted=1.0)


GOOD = result("a/1", shares=(at(0.5), at(0.25)))
BAD = result("a/2", DEPARTS, shares=(at(9.0),), departure=Departure(at=at(9.0)))
LEFT = result("a/3", UNSUPPORTED, detail="no", steps=0)
BROKEN = result("a/4", RAISES, detail="no")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (report(GOOD), 0),
        (report(GOOD, LEFT), 0),
        (report(GOOD, BAD), 1),
        (report(GOOD, BROKEN), 1),
        (report(LEFT), 3),
        (report(), 3),
        (report(GOOD, total=2), 3),
        (report(GOOD, GOOD), 3),
        (report(GOOD, GOOD, total=1), 3),
        (report(GOOD, BAD, expected={"a/2": None}), 0),
        (report(GOOD, problems=["odd"]), 1),
        (report(LEFT, problems=["odd"]), 3),  # nothing ran, whatever else is wrong
        (report(BROKEN, expected={"a/4": None}), 3),  # nothing was compared
    ],
)
def test_an_exit_code_is_of_counts_and_failures(found: Report, code: int) -> None:
    assert found.exit_code == code
    assert found.ok is (code == 0)


def test_a_report_adds_up() -> None:
    other = result("a/5", DEPARTS, departure=Departure(at=at(9.0)))
    found = report(GOOD, BAD, other, LEFT, BROKEN, expected={"a/2": None})
    assert found.ran == 4
    assert [r.case for r in found.failed] == ["a/5", "a/4"]
    assert found.worst is GOOD.shares[0]
    assert found.summary == (
        "b: a core 5 = 1 conform + 1 departs + 1 expected (departs) + 1 raises + 1 unsupported; "
        "corpus 1 sha256:01234567; worst margin 0.50 (a/1 theta of w[0] t=1)"
    )
    assert report(GOOD, total=2, only="a/*").summary == (
        "b: a core 'a/*' 2 = 1 conform; corpus 1 sha256:01234567; "
        "worst margin 0.50 (a/1 theta of w[0] t=1); 1 results for 2 cases"
    )
    assert "worst" not in report(BAD).summary


def test_a_failure_is_told_in_full_once_a_kind() -> None:
    """What is alike is named; at most three kinds, and eight names."""
    alike = [replace(BAD, case=f"a/{i}") for i in range(10, 20)]
    tags = ["m", "v", "u", "slow"]
    kinds = [result(f"k/{tag}", DEPARTS, departure=Departure(at=at(2.0, tag))) for tag in tags]
    told = str(report(*alike, *kinds))
    assert [line for line in told.splitlines() if line.startswith("FAIL")] == [
        "FAIL a/10", "FAIL k/m", "FAIL k/v",
    ]
    names = ", ".join(f"a/{i}" for i in range(10, 18))
    assert f"14 cases fail: {names} and 6 more" in told
    one = report(*alike)
    assert one.brief(alike[0]) == one.failure(alike[0])
    assert one.brief(alike[3]).endswith("as in a/10")
    assert "cases fail" not in str(report(BAD))
    x = Like(
        variant="x", kind="bug", misfit=1.0, line="m = g", was="m = m", seen="nowhere",
        tags=("m",), link="",
    )
    liked, more = (
        replace(BAD, case=case, likes=likes)
        for case, likes in (("l", (x,)), ("k", (x, replace(x, variant="y"))))
    )
    both = str(report(BAD, liked, more)).splitlines()
    assert [line for line in both if line.startswith("FAIL")] == ["FAIL a/2", "FAIL l"]


def test_digits_and_bits_of_a_departure_are_told() -> None:
    told = report(BAD).failure(replace(BAD, t=4))
    assert told.startswith("FAIL a/2  step t=4\n  first departs: theta of layer 'w' at [0]")
    assert "3ff8000000000000" in told
    assert "3ff0000000000000" in told
    assert "error / bound = 9, digits right 0.3" in told
    for got, wanted, digits in ((1.0, 1.0, "17.0"), (1.0, 0.0, "0.0"), (1.001, 1.0, "3.0"),
                                (9.0, 1.0, "0.0"), (0.0, 0.0, "17.0"), (0.999, 1.0, "3.0"),
                                (-1.001, -1.0, "3.0"), (2.002, 2.0, "3.0")):
        there = replace(BAD, departure=Departure(at=replace(at(2.0), got=got, wanted=wanted)))
        assert f"digits right {digits}" in report(there).failure(there)


def test_what_is_left_out_is_counted() -> None:
    half = replace(GOOD, steps=1, adapted={"threshold": 5.0})
    told = str(report(half, replace(LEFT, case="a/6"), LEFT))
    assert "1 steps of cases that conform could not be asked" in told
    assert "unsupported, 2 cases: no" in told
    assert "asked with what it has: threshold=5.0 (1 cases)" in told
    assert "no result" not in told
    assert "no result" in str(report(LEFT))
    assert "could not be asked" not in str(report(GOOD))


def test_slots_that_were_held_to_their_bounds_are_named_in_order() -> None:
    """And the profile, and the dialect if there is one; of nothing shown that is said."""
    seen = report(GOOD, replace(GOOD, case="a/5", shares=(at(0.5, "v"), at(0.5, "m"))))
    assert seen.compared == ["theta", "m", "v"]
    assert str(seen).splitlines() == [
        seen.summary, f"profile: {Profile()}", "compared: theta, m, v",
    ]
    mute = report(result("a/1"), dialect="a.b and a.c", ungiven=["foreach", "fused"])
    assert str(mute).splitlines()[2:] == [
        "compared: nothing", "dialect: a.b and a.c",
        "never given, as no hyperparameter is it: foreach, fused",
    ]
    assert "compared" not in str(report(LEFT))
    assert "expectation: odd" in str(report(GOOD, problems=["odd"])).splitlines()


def test_what_was_asked_instead_is_counted_by_value() -> None:
    """Of cases that were looked at."""
    other = {"threshold": 5.0, "by layer": "fewer"}
    found = report(
        replace(GOOD, adapted=other), replace(BAD, adapted={"threshold": 5.0}),
        replace(LEFT, adapted=other),
    )
    assert found.adapted == {"threshold=5.0": 2, "none of its own by layer": 1}
    said = "asked with what it has: threshold=5.0 (2 cases), none of its own by layer (1 cases)"
    assert said in str(found).splitlines()


def test_places_and_names_are_told_in_the_summary() -> None:
    """The worst of all that conforms, with its case; counts as the manifest has them."""
    far = replace(at(0.75, "m"), layer="b", index=3, t=7)
    found = report(GOOD, replace(GOOD, case="a/9", shares=(at(0.5), far)), BAD)
    assert found.worst is far
    assert found.summary.endswith("worst margin 0.75 (a/9 m of b[3] t=7)")
    assert found.result("a/9").shares[1] is far
    twice = report(BAD, replace(BAD, case="a/6"), expected={"a/6": None})
    assert "a core 2 = 0 conform + 1 departs + 1 expected (departs); " in twice.summary
    gone = report(replace(BAD, case="a/6"), expected={"a/6": None})
    assert "a core 1 = 0 conform + 1 expected (departs); " in gone.summary
    assert report().worst is None


def test_all_that_explains_a_departure_is_told_with_it() -> None:
    """Line by line; of likes at most eight."""
    named = Like(
        variant="x", kind="bug", misfit=1.0, line="m = g\nv = g", was="m = m", seen="nowhere",
        tags=("m",), link="https://example.org/1",
    )
    left_out = replace(named, line="", link="")
    edit = replace(named, kind="edit", line="m = 2", tags=("m", "v"))
    departure = Departure(
        at=at(9.0), agreed=(at(0.25, "m"), at(0.5, "v"), at(0.125, "m")), unseen=("u", "w"),
    )
    bad = replace(
        BAD, t=4, departure=departure, likes=(named, left_out, *[edit] * 9),
        detail="theta is off", besides="changes its gradient: w",
    )
    constant = Constant(name="eps", given=1e-8, found=1e-6, multiple=False)
    found = report(bad, constants=[constant], fits=Profile(dtype="float16"))
    told = [
        "FAIL a/2  step t=4",
        "  first departs: theta of layer 'w' at [0]",
        "  agree before it: m, v (worst 0.50 of the bound)",
        "  not shown in between: u, w",
        "  got                         1.5  3ff8000000000000",
        "  wanted                      1.0  3ff0000000000000",
        "  error / bound = 9, digits right 0.3",
        "  besides, it changes its gradient: w",
        "  looks like x (bug): m = g / v = g",
        "    for m = m [nowhere; https://example.org/1]",
        "  looks like x (bug): (left out)",
        "    for m = m [nowhere]",
        *["  looks like a change of m, v, of no known name: m = 2", "    for m = m"] * 6,
        f"  explained if {constant}",
        f"  fits another profile, to be declared if that is so: {Profile(dtype='float16')}",
        f"  profile declared: {Profile()}",
    ]
    assert found.failure(bad).splitlines() == told
    assert str(found).splitlines()[3:] == ["", *told]
    short = report(BAD).failure(BAD)
    for word in ("agree before", "not shown", "besides", "looks like", "explained", "fits"):
        assert word not in short
    assert report(BROKEN).failure(BROKEN) == "FAIL a/4\n  raises: no"


def test_a_failure_like_another_is_told_in_a_line() -> None:
    """The first of its kind in full: the verdict, the line, the likeness."""
    first, second = replace(BAD, t=1), replace(BAD, case="a/7", t=5, detail="theta is off")
    found = report(first, BROKEN, second)
    assert found.brief(second) == "FAIL a/7  step t=5: theta is off, as in a/2"
    assert found.brief(BROKEN) == found.failure(BROKEN)
    nine = report(*(replace(BAD, case=f"a/{i}") for i in range(9)))
    eight = report(*(replace(BAD, case=f"a/{i}") for i in range(8)))
    names = ", ".join(f"a/{i}" for i in range(8))
    assert str(nine).splitlines()[-1] == f"9 cases fail: {names} and 1 more"
    assert str(eight).splitlines()[-1] == f"8 cases fail: {names}"


def test_a_saved_report_has_all_of_it(tmp_path: Path) -> None:
    """As data, where numbers that are none are words; or as a page."""
    day = datetime.date(2027, 6, 30)
    expectation = Expectation(id="a/*", verdict=DEPARTS, reason="r", link="l", until=day, line="m")
    like = Like(
        variant="x", kind="bug", misfit=1.0, line="m = g", was="m = m", seen="s", tags=("m",),
        link="",
    )
    off = replace(BAD, t=1, shares=(at(math.inf),), likes=(like,), departure=Departure(
        at=at(math.inf), agreed=(at(0.5, "m"),), unseen=("v",),
    ), replay={"question": object()})
    found = report(
        GOOD, off, expected={"a/2": expectation}, problems=["odd"], ungiven=["fused"],
        likes=[like], fits=Profile(dtype="float16"), versions={"numpy": "2"}, seconds=1.5,
        constants=[Constant(name="eps", given=1e-8, found=math.nan, multiple=True)],
    )
    found.save(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text("utf-8")
    data = json.loads(text, parse_constant=pytest.fail)
    results = data.pop("results")
    share: dict[str, Any] = {
        "t": 1, "layer": "w", "tag": "theta", "share": 0.5, "index": 0, "got": 1.5,
        "wanted": 1.0, "bound": 0.0,
    }
    said = {**vars(like), "tags": ["m"]}
    assert text == json.dumps(found.to_json(), indent=1, sort_keys=True) + "\n"
    assert data == {
        "format": "paratrooper-ref conformance report 1", "backend": "b", "algorithm": "a",
        "dialect": None, "tier": "core", "only": "*",
        "corpus": {"version": "1", "digest": "0123456789"}, "profile": Profile().spec(),
        "ok": False, "exit_code": 1, "total": 2, "counts": {CONFORMS: 1, DEPARTS: 1},
        "expected": {"a/2": {
            "id": "a/*", "verdict": DEPARTS, "reason": "r", "link": "l", "until": "2027-06-30",
            "line": "m",
        }},
        "problems": ["odd"], "compared": ["theta"], "ungiven": ["fused"], "worst": share,
        "likes": [said], "fits": Profile(dtype="float16").spec(),
        "constants": [{"name": "eps", "given": 1e-8, "found": "nan", "multiple": True}],
        "versions": {"numpy": "2"}, "seconds": 1.5,
    }
    good, bad = results
    assert set(good) == set(bad) == {f.name for f in fields(Result)} - {"replay"} | {"alone"}
    assert (good["departure"], good["alone"], good["likes"]) == (None, [], [])
    assert good["shares"] == [share, {**share, "share": 0.25}]
    assert (bad["case"], bad["t"], bad["likes"]) == ("a/2", 1, [said])
    assert bad["departure"] == {
        "at": {**share, "share": "inf"}, "agreed": [{**share, "tag": "m"}], "unseen": ["v"],
    }
    plain = report(LEFT).to_json()
    assert (plain["worst"], plain["fits"], plain["seconds"]) == (None, None, 0.0)
    for name in ("report.html", "report.htm"):
        report(GOOD).save(str(tmp_path / name))
        assert (tmp_path / name).read_text("utf-8").startswith("<!DOCTYPE html>")


def test_failures_are_told_from_early_steps_on() -> None:
    """Single steps first, then runs; what has no step comes last of each."""
    cases = [("a/c", 9), ("replay/a/b", 1), ("a/z", 1), ("a/n", None), ("a/b", 1)]
    found = report(*(replace(BAD, case=case, t=t) for case, t in cases))
    assert [r.case for r in found.failed] == ["a/z", "a/b", "a/c", "a/n", "replay/a/b"]
