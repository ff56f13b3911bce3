"""The claims, as data: what is compared, by which number, and with what margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from paratrooper_ref.claims.arms import MOMENTS_OF_H
from paratrooper_ref.claims.settings import SETTINGS
from paratrooper_ref.claims.statistics import Change, End, Noise, Statistic, Window

LEVEL: Final = math.log10(1.1)  # "level with" and "a step": within 10 %, more than 10 %
ALL: Final = tuple(SETTINGS)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A number of one arm is lower than a number of another, up to a margin.

    Parameters
    ----------
    says : str
        In words.
    of, against : str or None
        Names of arms; None for a number of 0, so that the other is held to the margin.
    by : Statistic
        The number of ``of``, and of ``against`` unless that has its own.
    against_by : Statistic or None
    margin : float
        In decades.
    """

    says: str
    of: str | None
    against: str | None
    by: Statistic
    against_by: Statistic | None = None
    margin: float = 0.0

    @property
    def what(self) -> str:
        """By which numbers, for a reader."""
        other = "" if self.against_by is None else f", against {self.against_by.says}"
        return f"{self.by.says}{other}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the source says, and the comparisons that it comes to.

    Parameters
    ----------
    number : int
        In section 5 of the specification.
    name, title, says : str
    comparisons : tuple of Comparison
        Of arms; none where the claim is of no training run.
    settings : tuple of str
        The problems on which arms are compared.
    figure : {"curves", "cuts", "differences"}
        What its figure shows.
    part : str
        A letter, where several claims have one number.
    page : str or None
        Where more is said of it, and measured.
    """

    number: int
    name: str
    title: str
    says: str
    comparisons: tuple[Comparison, ...] = ()
    settings: tuple[str, ...] = ALL
    figure: str = "curves"
    part: str = ""
    page: str | None = None

    @property
    def label(self) -> str:
        """Its number, with a letter where others have the same."""
        return f"{self.number}{self.part}"

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are compared, each once."""
        named = [arm for c in self.comparisons for arm in (c.of, c.against) if arm is not None]
        return tuple(dict.fromkeys(named))

    @property
    def epochs(self) -> int:
        """The least number of epochs in which it can be measured."""
        needed = [c.by.least for c in self.comparisons]
        needed += [c.against_by.least for c in self.comparisons if c.against_by is not None]
        return max(needed, default=0)


def _h_rule(h: float) -> Comparison:
    momentum, still = f"radamw(h={h})", f"radamw(still, h={h})"
    if h <= 0.5:
        says = f"h = {h}: momentum steps end lower than none"
        return Comparison(says=says, of=momentum, against=still, by=End())
    says = f"h = {h}: no steps end lower than momentum steps"
    return Comparison(says=says, of=still, against=momentum, by=End())


CLAIMS: Final[dict[str, Claim]] = {
    claim.name: claim
    for claim in (
        Claim(
            number=1, name="lookahead", title="Lookahead around RAdamW",
            says="Lookahead(RAdamW) ends lower than RAdamW and AdamW.",
            comparisons=(
                Comparison(
                    says="Lookahead(RAdamW) ends lower than RAdamW",
                    of="lookahead(radamw)", against="radamw", by=End(),
                ),
                Comparison(
                    says="Lookahead(RAdamW) ends lower than AdamW",
                    of="lookahead(radamw)", against="adamw", by=End(),
                ),
            ),
        ),
        Claim(
            number=2, name="rangerlars", title="RangerLars, its start and its noise",
            says="RangerLars with lo = 0 leads for the first 60 epochs or so, then stays noisy "
            "above Ranger; lo = 1 is better than lo = 0.",
            comparisons=(
                Comparison(
                    says="RangerLars (lo = 0) is below Ranger in epochs 1 to 60",
                    of="rangerlars(lo=0)", against="ranger", by=Window(1, 60),
                ),
                Comparison(
                    says="Ranger ends lower than RangerLars (lo = 0)",
                    of="ranger", against="rangerlars(lo=0)", by=End(),
                ),
                Comparison(
                    says="Ranger is quieter than RangerLars (lo = 0)",
                    of="ranger", against="rangerlars(lo=0)", by=Noise(),
                ),
                Comparison(
                    says="Ranger is quieter than RangerLars (lo = 0), for its level",
                    of="ranger", against="rangerlars(lo=0)", by=Noise(relative=True),
                ),
                Comparison(
                    says="RangerLars with lo = 1 ends lower than with lo = 0",
                    of="rangerlars(lo=1)", against="rangerlars(lo=0)", by=End(),
                ),
            ),
        ),
        Claim(
            number=3, name="speed", title="25 epochs against 120",
            says="RangerLars with lo = 1 reaches at 25 epochs what Ranger reaches at 120.",
            comparisons=(
                Comparison(
                    says="RangerLars (lo = 1) at epoch 25 is level with Ranger at 120, or lower",
                    of="rangerlars(lo=1)", against="ranger",
                    by=Window(25, 25), against_by=Window(120, 120), margin=LEVEL,
                ),
            ),
        ),
        Claim(
            number=4, name="paratrooper", title="Paratrooper, its start and its end",
            says="Paratrooper keeps RangerLars's start and Ranger's end, and ends lower than "
            "both.",
            comparisons=(
                Comparison(
                    says="Paratrooper starts level with RangerLars (lo = 1), or lower",
                    of="paratrooper", against="rangerlars(lo=1)", by=Window(1, 25), margin=LEVEL,
                ),
                Comparison(
                    says="Paratrooper ends level with Ranger, or lower",
                    of="paratrooper", against="ranger", by=End(), margin=LEVEL,
                ),
                Comparison(
                    says="Paratrooper ends lower than Ranger",
                    of="paratrooper", against="ranger", by=End(),
                ),
                Comparison(
                    says="Paratrooper ends lower than RangerLars (lo = 1)",
                    of="paratrooper", against="rangerlars(lo=1)", by=End(),
                ),
                Comparison(
                    says="Paratrooper is quieter than Ranger",
                    of="paratrooper", against="ranger", by=Noise(),
                ),
                Comparison(
                    says="Paratrooper is quieter than Ranger, for its level",
                    of="paratrooper", against="ranger", by=Noise(relative=True),
                ),
                Comparison(
                    says="Paratrooper is quieter than RangerLars (lo = 1)",
                    of="paratrooper", against="rangerlars(lo=1)", by=Noise(),
                ),
                Comparison(
                    says="Paratrooper is quieter than RangerLars (lo = 1), for its level",
                    of="paratrooper", against="rangerlars(lo=1)", by=Noise(relative=True),
                ),
            ),
        ),
        Claim(
            number=5, name="plateau", title="Reduction on plateau", figure="cuts",
            settings=("regression", "diabetes"),
            says="With reduction on plateau Paratrooper's loss steps down with each cut where "
            "Ranger's does not.",
            comparisons=(
                Comparison(
                    says="Paratrooper steps down with a cut, by more than 10 %",
                    of="paratrooper(plateau)", against=None, by=Change(), margin=-LEVEL,
                ),
                Comparison(
                    says="Ranger steps down with a cut by less than 10 %, if at all",
                    of=None, against="ranger(plateau)", by=Change(), margin=LEVEL,
                ),
                Comparison(
                    says="Paratrooper steps down further than Ranger",
                    of="paratrooper(plateau)", against="ranger(plateau)", by=Change(),
                ),
                Comparison(
                    says="Paratrooper ends lower than Ranger, both with cuts",
                    of="paratrooper(plateau)", against="ranger(plateau)", by=End(),
                ),
            ),
        ),
        Claim(
            number=6, name="noise", title="Lookahead on the noisy quadratic",
            says="Lookahead's expected loss after 1000 updates is below SGD's at equal reachable "
            "expected loss.",
            settings=(), figure="differences", page="docs/noise.md",
        ),
        Claim(
            number=7, name="landscapes", title="Skip connections",
            says="Skip connections make the surface more convex.",
            settings=(), figure="differences", page="docs/landscapes.md",
        ),
        Claim(
            number=8, part="a", name="warmup", title="The first steps, and the h rule",
            figure="differences",
            settings=("regression", "diabetes"),
            says="At h = 0.314 and 0.452 training with momentum steps first goes well, at 0.707 "
            "slowly, at 1.038 it fails; never updating while rho < 5 works but ends higher.",
            comparisons=tuple(_h_rule(h) for h in MOMENTS_OF_H),
        ),
        Claim(
            number=8, part="b", name="radamw", title="RAdamW against AdamW", figure="differences",
            says="RAdamW ends lower than AdamW.",
            comparisons=(
                Comparison(
                    says="RAdamW ends lower than AdamW", of="radamw", against="adamw", by=End(),
                ),
            ),
        ),
    )
}
