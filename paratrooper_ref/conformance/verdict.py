"""What the kit says of a backend on a case, and why."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = f"{Path(__file__).parents[1]}{os.sep}"
INSTALLED: Final = tuple(
    f"{sysconfig.get_path(where)}{os.sep}" for where in ("stdlib", "purelib", "platlib")
)

CONFORMS: Final = "conforms"
DEPARTS: Final = "departs"
UNSTABLE: Final = "unstable branch"
UNSUPPORTED: Final = "unsupported"
RAISES: Final = "raises"
HANGS: Final = "hangs"
LAYERS: Final = "wrong layers"
SHAPE: Final = "wrong shape"
DTYPE: Final = "wrong dtype"
NON_FINITE: Final = "not finite"
GRADIENT: Final = "changes its gradient"
INPUT: Final = "changes its input"
ALIASES: Final = "aliases its state"
LOSES: Final = "loses its state"
KEEPS: Final = "keeps state"
FORGETS: Final = "forgets on reload"

VERDICTS: Final = {
    CONFORMS: "every number is within its bound",
    DEPARTS: "a number is outside its bound",
    UNSTABLE: "the declared arithmetic does not decide a branch",
    UNSUPPORTED: "the backend cannot be asked this",
    RAISES: "an exception",
    HANGS: "no answer in time",
    LAYERS: "other layers than it was given",
    SHAPE: "an array of another shape",
    DTYPE: "an array of another dtype than declared",
    NON_FINITE: "an infinite number, or none",
    GRADIENT: "the gradient it was given is another after the step",
    INPUT: "the parameters or state it was given are others after the step",
    ALIASES: "what was read before the step is another after it",
    LOSES: "the state it was given is not what it reads back",
    KEEPS: "the same step, taken again, is another: something is kept between cases",
    FORGETS: "saved and loaded it goes on otherwise",
}
"""By name, what each verdict means."""

FAILURES: Final = tuple(v for v in VERDICTS if v not in (CONFORMS, UNSUPPORTED))


class Fault(Exception):
    """A verdict of its own: what a backend did besides being wrong in its numbers."""

    def __init__(self, verdict: str, detail: str) -> None:
        super().__init__(verdict, detail)
        self.verdict, self.detail = verdict, detail


def said(error: BaseException) -> str:
    """Return an exception in one line, even if it cannot say what it is."""
    try:
        text = str(error)
    except BaseException:
        text = "(it has no text that can be printed)"
    return f"{type(error).__name__}: {' '.join(text.split())}".strip().removesuffix(":")


def raised(error: BaseException) -> str:
    """Return an exception in one line, and where in somebody's own code it comes from."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((PACKAGE, "<"))
    ]
    # Of what is installed the caller is of more use than the frame that gave up.
    own = [frame for frame in frames if not frame.filename.startswith(INSTALLED)]
    last = (own or frames)[-1:]
    return said(error) + "".join(
        f"; at {Path(frame.filename).name}:{frame.lineno}, in {frame.name}" for frame in last
    )


@dataclass(frozen=True, kw_only=True)
class Share:
    """The largest error over bound of a line of a layer, and where it is."""

    t: int
    layer: str
    tag: str
    share: float
    index: int = 0
    got: float = 0.0
    wanted: float = 0.0
    bound: float = 0.0

    def __str__(self) -> str:
        return f"{self.tag} of layer {self.layer!r} is off by {self.share:.3g} times its bound"


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Where a step first departs, and what may explain it.

    Parameters
    ----------
    at : Share
        The first line that is off, evaluated from the backend's own lines before it.
    agreed : sequence of Share
        Lines before it that were seen and agree.
    unseen : sequence of str
        Lines between the last that agrees and this one, which the backend does not show.
    """

    at: Share
    agreed: Sequence[Share] = ()
    unseen: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Like:
    """A known variant that explains what a backend does, and how well.

    ``tags`` are the lines that it changes, ``was`` and ``line`` the first of them, as published
    and as it stands in the variant; ``misfit`` is the largest error over bound that is left.
    """

    variant: str
    kind: str
    misfit: float
    tags: Sequence[str]
    was: str
    line: str
    seen: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A hyperparameter that explains what a backend does, at another value than it was given.

    ``given`` and ``found`` are of one step; in others it is the same ``multiple`` of what was
    given, or the same value whatever was given.
    """

    name: str
    given: float
    found: float
    multiple: bool

    def __str__(self) -> str:
        if self.multiple:
            times = self.found / self.given
            return f"{self.name} is {self.found!r} where {self.given!r} was given ({times!r} times)"
        return f"{self.name} is {self.found!r} whatever is given, such as {self.given!r}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A case: the verdict and what led to it.

    Parameters
    ----------
    case : str
        Its stable name.
    verdict : str
        One of `VERDICTS`.
    detail : str
        Why, in a sentence; empty where it conforms.
    besides : str
        What it does that it should not, where its numbers are wrong too.
    t : int or None
        The step in which it happened.
    steps, of : int
        Steps looked at, and steps of the case.
    shares : sequence of Share
        The largest error over bound of each line seen, by step and layer.
    departure : Departure, optional
    likes : sequence of Like
        Known variants that explain it, best first.
    adapted : mapping of str to value
        Hyperparameters that are others than the case's, as the backend has only those; what is
        wanted is then computed by the reference, and its error bound is allowed.
    replay : mapping, optional
        All that is needed to take the step again.
    seconds : float
    """

    case: str
    verdict: str
    detail: str = ""
    besides: str = ""
    t: int | None = None
    steps: int = 0
    of: int = 0
    shares: Sequence[Share] = ()
    departure: Departure | None = None
    likes: Sequence[Like] = ()
    adapted: Mapping[str, Any] = field(default_factory=dict)
    replay: Mapping[str, Any] | None = None
    seconds: float = 0.0

    @property
    def all_shares(self) -> Sequence[Share]:
        """Those of steps however they were held."""
        return self.shares

    @property
    def worst(self) -> Share | None:
        """The largest error over bound."""
        return max(
            self.all_shares, key=lambda s: inf if isnan(s.share) else s.share, default=None
        )
