"""The sensitivity table: each claim holds, and no constant is forgotten."""

from dataclasses import replace

import pytest

from paratrooper_ref.conformance import sensitivity
from paratrooper_ref.conformance.constants import Wrong, constants, scaled, still, touches
from paratrooper_ref.conformance.sensitivity import CERTAIN, MOST, PROFILES, SEVENTH, Row, Table
from paratrooper_ref.golden import text
from paratrooper_ref.golden.corpus import Corpus, shipped
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.optimizers import SGD, AdamW, Lookahead, Paratrooper
from paratrooper_ref.optimizers.optimizer import Optimizer

STORED = sensitivity.load()
CORPUS = Corpus()
PARTS = 7


def test_each_constant_is_there_or_is_still() -> None:
    """Every number of every optimizer and of every rule, by the sources of both."""
    known = {*constants(), *still()}
    assert set(STORED.rows) == set(constants())
    assert not set(constants()) & set(still())
    for name in (
        "sgd.dampening", "lars.trust_coefficient", "lamb.norm_upper", "paratrooper.cap",
        "lookahead.alpha", "rule sgd.u.1", "rule radam.rho_inf.1", "rule lookahead.slow.1",
        "rule paratrooper.cap.1", "rule first_batch.small.1", "rule lars_2019.u.1",
    ):
        assert name in known
    assert STORED.rows["rule paratrooper.cap.1"].shown == "cap = [10] if scheduled else cap"
    assert STORED.rows["rule radam.rho_inf.2"].shown == "rho_inf = 2 / ([1] - beta2) - 1"
    assert still()["rule first_batch.small.1"] == "a switch"
    assert still()["paratrooper.k"] == "an integer"


def test_the_table_is_of_this_corpus_and_of_these_rules() -> None:
    """Its digests say so."""
    assert STORED.corpus == CORPUS.manifest().digest
    assert STORED.rules == sensitivity.digest()


def test_any_constant_that_is_wrong_in_the_seventh_digit_is_found_in_float64() -> None:
    """By the core tier; and nothing is left."""
    assert list(sensitivity.defects(STORED)) == []
    assert sensitivity.LEFT == {}
    assert min(row.seen["float64"][1] for row in STORED.rows.values()) >= SEVENTH
    assert 2.0**-SEVENTH < 1e-7


@pytest.mark.parametrize("part", range(PARTS))
def test_what_the_table_claims_shows(part: int) -> None:
    """At the size that is reported, in the case that is named, and at half of it no more.

    (That no other case shows more is measured by ``docs/kill_matrix.py --measure``.)
    """
    some = dict(list(STORED.rows.items())[part::PARTS])
    assert list(sensitivity.claims(replace(STORED, rows=some), shipped())) == []


def test_a_claim_that_does_not_hold_is_said() -> None:
    """Whether too much is claimed or too little."""
    case, k = STORED.rows["sgd.momentum"].seen["float32"]
    for off in (k - 1, k + 1):
        row = Row("", {"float32": (case, off)})
        (found,) = sensitivity.claims(replace(STORED, rows={"sgd.momentum": row}), shipped())
        assert found == f"sgd.momentum shows in {case}, in float32, from 2**-{k} on, not 2**-{off}"


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        (SGD(momentum=0.5), "momentum", 0.625),
        (SGD(momentum=0.9), "momentum", 0.9 * (1 - 0.25)),  # above 1 it is not admitted
        (Paratrooper(weight_decay=0.5), "l2", 0.625),
        (Lookahead(inner=SGD(), k=2, alpha=0.5), "alpha", 0.625),
        (Paratrooper(), "cap", "rectified"),
    ],
)
def test_a_hyperparameter_is_off_by_what_is_said(
    optimizer: Optimizer, name: str, value: object
) -> None:
    """To the side that is admitted; a word stays as it is."""
    assert getattr(scaled(optimizer, name, 0.25), name) == value


def test_layers_are_off_too() -> None:
    """Their own values as well as those of all."""
    optimizer = AdamW(eps=1.0).for_layers({"b": {"eps": 2.0, "beta1": 0.5}})
    off = scaled(optimizer, "eps", 0.5)
    assert (off.hyper()["eps"], off.hyper("b")["eps"], off.hyper("b")["beta1"]) == (1.5, 3.0, 0.5)


def test_a_number_in_a_rule_is_off_by_what_is_said() -> None:
    """Asked for in place of what is written, it gives the published step, or another."""
    golden = CORPUS.load(CORPUS.manifest().cases["adam/plain-dyadic"])
    of = sensitivity._prepared(shipped(), golden.case)
    wrong = Wrong(golden, constants()["rule adam.m.1"])
    assert wrong.value == 1
    assert max(sensitivity.margin(of, wrong, 0.0, PROFILES).values()) < 1
    # (1 + c - beta1) g is off by c / (1 - beta1) of itself, 8 c here: float32 shows 2**-20 of it.
    seen = sensitivity.margin(of, wrong, 2.0**-20, ("float32",))["float32"]
    assert CERTAIN < seen < 2.0**7


def test_where_a_constant_is_idle_nothing_is_asked() -> None:
    """A 0 has no relative change, and an optimizer that is another one no constant."""
    known = constants()
    plain = CORPUS.load(CORPUS.manifest().cases["adamw/plain-decimal"])
    without = CORPUS.load(CORPUS.manifest().cases["adam/no-eps-decimal"])
    assert touches(plain, known["adamw.eps"])
    assert not touches(plain, known["adam.eps"])
    assert not touches(without, known["adam.eps"])
    assert touches(without, known["rule adam.m.1"])
    assert not touches(without, known["rule radam.m.1"])


def test_a_constant_that_may_be_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no case sees the seventh digit, and where a reason is none."""
    row = STORED.rows["adam.eps"]
    weak = replace(row, seen={**row.seen, "float64": ("a/b", 23)})
    table = replace(STORED, rows={"adam.eps": weak})
    (found,) = sensitivity.defects(table)
    assert found.startswith("adam.eps may be wrong in the seventh digit: the core tier sees 2**-23")
    monkeypatch.setitem(sensitivity.LEFT, "adam.eps", "tiny")
    assert list(sensitivity.defects(table)) == []
    assert len(list(sensitivity.defects(STORED))) == 1
    monkeypatch.setitem(sensitivity.LEFT, "adam.never", "gone")
    assert list(sensitivity.defects(table)) == ["adam.never is left, and is no constant"]


def test_a_stale_table_is_found() -> None:
    """Each difference is said."""
    rows = {k: r for k, r in STORED.rows.items() if k != "adam.lr"}
    row = rows["adam.eps"]
    rows["adam.eps"] = replace(row, seen={**row.seen, "float32": ("a/b", 9)})
    other = Table("0" * 64, "0" * 16, rows)
    said = list(sensitivity.differences(other, STORED))
    assert len(said) == 4
    assert said[:3] == [
        "sensitivity.json is of other corpus; rebuild it",
        "sensitivity.json is of other rules; rebuild it",
        "adam.lr is not in sensitivity.json; rebuild it",
    ]
    assert list(sensitivity.differences(STORED, STORED)) == []


def test_the_file_is_read_as_it_is_written() -> None:
    """To the byte, and with suspicion."""
    written = sensitivity.shipped().read_bytes()
    assert sensitivity.dump(sensitivity.parse(written)) == written
    plain = text.read(written, sensitivity.FILE)
    for change, said in (
        ({"rules": "x"}, "rules: does not match"),
        ({"format": "1"}, "format: needs to be"),
        ({"constants": {"adam.eps": {"line": ""}}}, "lacks bfloat16"),
        ({"constants": {"../x": {}}}, "does not match"),
    ):
        with pytest.raises(GoldenError, match=said):
            sensitivity.parse(text.write(plain | change))
    row = plain["constants"]["adam.eps"]
    for seen, said in ((["a/b", MOST + 1], "needs to be in"), ([1, "a/b"], "needs a case and")):
        content = plain | {"constants": {"adam.eps": row | {"float64": seen}}}
        with pytest.raises(GoldenError, match=said):
            sensitivity.parse(text.write(content))
