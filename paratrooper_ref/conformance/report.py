"""What a backend comes to, for people, for programs and for an exit code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.expectations import Expectation
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    UNSUPPORTED,
    Constant,
    Departure,
    Like,
    Result,
    Share,
)
from paratrooper_ref.optimizers.state import STORED

HOLDS, FAILED, NOTHING_RAN = 0, 1, 3
SHOWN: Final = 3  # failures told in full, one for each line that departs first
LISTED: Final = 8


@dataclass(frozen=True, kw_only=True)
class Report:
    """The results of a backend on the cases of an algorithm.

    Parameters
    ----------
    backend, algorithm, tier, corpus, digest : str
        Names; the version of the corpus and its content digest.
    profile : Profile
        The arithmetic that was declared.
    total : int
        Cases that there are, by the manifest; ``only`` is the pattern by which fewer were asked.
    results : sequence of Result
        One a case.
    expected : mapping of case to Expectation
        Failures that are as expected.
    problems : sequence of str
        What is wrong with expectations.
    likes : sequence of Like
        Known variants, or edits, that explain all that departs.
    constants : sequence of Constant
        Hyperparameters that explain it at another value.
    fits : Profile, optional
        A looser profile than the one declared, within which everything is.
    versions : mapping of str to str
        Of what ran.
    dialect : str or None
        The variant, or several, that the backend is held to.
    ungiven : sequence of str
        Arguments of the backend's that no case has set: what they do was not looked at.
    seconds : float

    Examples
    --------
    >>> from paratrooper_ref.conformance import ReferenceBackend, check
    >>> report = check(ReferenceBackend("float32"), "sgd", only="nesterov/*")
    >>> report.ok, report.exit_code, report.counts["conforms"]
    (True, 0, 20)
    """

    backend: str
    algorithm: str
    tier: str
    corpus: str
    digest: str
    profile: Profile
    total: int
    results: Sequence[Result]
    only: str = "*"
    dialect: str | None = None
    ungiven: Sequence[str] = ()
    expected: Mapping[str, Expectation] = field(default_factory=dict)
    problems: Sequence[str] = ()
    likes: Sequence[Like] = ()
    constants: Sequence[Constant] = ()
    fits: Profile | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def counts(self) -> Counter[str]:
        """How many cases have come to each verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def adapted(self) -> Counter[str]:
        """How many cases were asked with another value of a hyperparameter than they have."""
        return Counter(
            f"{name}={value!r}" if name != "by layer" else "none of its own by layer"
            for r in self.results if r.steps for name, value in r.adapted.items()
        )

    @property
    def compared(self) -> list[str]:
        """The slots that the backend has shown, and that were held to their bounds."""
        seen = {share.tag for result in self.results for share in result.all_shares}
        return [tag for tag in STORED if tag in seen]

    @property
    def failed(self) -> list[Result]:
        """The failures that are not expected: single steps first, and early ones of them."""
        fine = (CONFORMS, UNSUPPORTED)
        found = [r for r in self.results if r.verdict not in fine and r.case not in self.expected]
        return sorted(found, key=lambda r: (r.case.count("/") > 1, inf if r.t is None else r.t))

    @property
    def complete(self) -> bool:
        """Whether every case of the manifest has a result, each once."""
        return len({r.case for r in self.results}) == len(self.results) == self.total

    @property
    def ran(self) -> int:
        """How many cases were looked at, in at least one step."""
        return sum(result.verdict != UNSUPPORTED for result in self.results)

    @property
    def held(self) -> bool:
        """Whether anything that the backend has shown was compared, and be it with itself."""
        return any(result.verdict == CONFORMS or result.all_shares for result in self.results)

    @property
    def ok(self) -> bool:
        """Whether the backend conforms: something ran, the counts match, all is as expected."""
        return self.exit_code == HOLDS

    @property
    def exit_code(self) -> int:
        """0 where it conforms, 1 where something failed, 3 where nothing was held or counts differ.

        What raises in every case is nothing to go by, though all of it be expected.
        """
        if not self.complete or not self.ran:
            return NOTHING_RAN
        if self.failed or self.problems:
            return FAILED
        return HOLDS if self.held else NOTHING_RAN

    @property
    def worst(self) -> Share | None:
        """The largest error over bound of what conforms."""
        good = [r.worst for r in self.results if r.verdict == CONFORMS and r.worst is not None]
        return max(good, key=lambda s: s.share, default=None)

    @property
    def summary(self) -> str:
        """One line: the counts and what they add up to, the corpus, the worst margin."""
        counts = self.counts
        parts = [f"{counts.pop(CONFORMS, 0)} conform"]
        unsupported = counts.pop(UNSUPPORTED, 0)
        for verdict, n in counts.items():
            expected = sum(
                r.verdict == verdict and r.case in self.expected for r in self.results
            )
            parts += [f"{n - expected} {verdict}"] if n > expected else []
            parts += [f"{expected} expected ({verdict})"] if expected else []
        parts += [f"{unsupported} unsupported"] if unsupported else []
        which = self.tier if self.only == "*" else f"{self.tier} {self.only!r}"
        line = f"{self.backend}: {self.algorithm} {which} {self.total} = {' + '.join(parts)}"
        line += f"; corpus {self.corpus} sha256:{self.digest[:8]}"
        if self.worst is not None:
            line += f"; worst margin {self.worst.share:.2f} ({self._place(self.worst)})"
        if not self.complete:
            line += f"; {len(self.results)} results for {self.total} cases"
        return line

    def _place(self, at: Share) -> str:
        case = next(r.case for r in self.results if r.worst is at)
        return f"{case} {at.tag} of {at.layer}[{at.index}] t={at.t}"

    def result(self, case: str) -> Result:
        """Return the result of a case."""
        (found,) = (r for r in self.results if r.case == case)
        return found

    def __str__(self) -> str:
        lines = [self.summary, f"profile: {self.profile}"]
        if self.ran:
            lines.append(f"compared: {', '.join(self.compared) or 'nothing'}")
        if self.dialect:
            lines.append(f"dialect: {self.dialect}")
        told = [result for result in self.failed if self._told_in_full(result)][:SHOWN]
        for result in told:
            lines += ["", self.failure(result)]
        if len(self.failed) > len(told):
            names = [r.case for r in self.failed]
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            lines += ["", f"{len(names)} cases fail: {', '.join(names[:LISTED])}{more}"]
        lines += [f"expectation: {problem}" for problem in self.problems]
        reasons = Counter(r.detail for r in self.results if r.verdict == UNSUPPORTED)
        lines += [f"unsupported, {n} cases: {why}" for why, n in reasons.most_common()]
        if self.adapted:
            asked = (f"{what} ({n} cases)" for what, n in self.adapted.most_common())
            lines.append(f"asked with what it has: {', '.join(asked)}")
        if self.ungiven:
            lines.append(f"never given, as no hyperparameter is it: {', '.join(self.ungiven)}")
        parts = sum(r.of - r.steps for r in self.results if r.verdict == CONFORMS)
        if parts:
            lines.append(f"{parts} steps of cases that conform could not be asked")
        if self.exit_code == NOTHING_RAN:
            lines.append("nothing ran, or not everything that there is: this is no result")
        return "\n".join(lines)

    def _told_in_full(self, result: Result) -> bool:
        """Return whether a failure is the first of its kind: others repeat what it says."""
        alike = (r for r in self.failed if _kind(r) == _kind(result))
        return result is next(alike, None)

    def brief(self, result: Result) -> str:
        """Return what is known of a failure, or which one it is like."""
        if self._told_in_full(result):
            return self.failure(result)
        first = next(r for r in self.failed if _kind(r) == _kind(result))
        return f"FAIL {result.case}  step t={result.t}: {result.detail}, as in {first.case}"

    def failure(self, result: Result) -> str:
        """Return what is known of a failure, in some lines."""
        head = f"FAIL {result.case}"
        if result.t is not None:
            head += f"  step t={result.t}"
        if result.departure is None:
            return f"{head}\n  {result.verdict}: {result.detail}"
        lines = [head, *_told(result.departure)]
        if result.besides:
            lines.append(f"  besides, it {result.besides}")
        lines += [f"  looks like {_like(like)}" for like in result.likes[:LISTED]]
        lines += [f"  explained if {constant}" for constant in self.constants]
        if self.fits is not None:
            lines.append(f"  fits another profile, to be declared if that is so: {self.fits}")
        lines.append(f"  profile declared: {self.profile}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain data; numbers that are none are words."""
        worst = self.worst
        found: dict[str, Any] = _plain({
            "format": "paratrooper-ref conformance report 1",
            "backend": self.backend,
            "algorithm": self.algorithm,
            "dialect": self.dialect,
            "tier": self.tier,
            "only": self.only,
            "corpus": {"version": self.corpus, "digest": self.digest},
            "profile": self.profile.spec(),
            "ok": self.ok,
            "exit_code": self.exit_code,
            "total": self.total,
            "counts": dict(self.counts),
            "expected": {case: _expected(e) for case, e in sorted(self.expected.items())},
            "problems": list(self.problems),
            "compared": self.compared,
            "ungiven": list(self.ungiven),
            "worst": None if worst is None else vars(worst),
            "likes": [vars(like) for like in self.likes],
            "fits": None if self.fits is None else self.fits.spec(),
            "constants": [vars(constant) for constant in self.constants],
            "versions": dict(self.versions),
            "seconds": self.seconds,
            "results": [_result(r) for r in self.results],
        })
        return found

    def save(self, path: str | Path) -> None:
        """Write it as JSON, or as one HTML page where the name ends so."""
        path = Path(path)
        if path.suffix in (".html", ".htm"):
            from paratrooper_ref.conformance.html import page

            path.write_text(page(self), "utf-8")
        else:
            path.write_text(json.dumps(self.to_json(), indent=1, sort_keys=True) + "\n", "utf-8")


def _kind(result: Result) -> tuple[str, ...]:
    departs = () if result.departure is None else (result.departure.at.tag,)
    return (result.verdict, *departs, *(like.variant for like in result.likes[:1]))


def _told(departure: Departure) -> list[str]:
    at = departure.at
    lines = [f"  first departs: {at.tag} of layer {at.layer!r} at [{at.index}]"]
    if departure.agreed:
        most = max(s.share for s in departure.agreed)
        names = ", ".join(dict.fromkeys(s.tag for s in departure.agreed))
        lines.append(f"  agree before it: {names} (worst {most:.2f} of the bound)")
    if departure.unseen:
        lines.append(f"  not shown in between: {', '.join(departure.unseen)}")
    lines += [
        f"  got    {at.got!r:>24}  {_bits(at.got)}",
        f"  wanted {at.wanted!r:>24}  {_bits(at.wanted)}",
        f"  error / bound = {at.share:.3g}, digits right {_digits(at):.1f}",
    ]
    return lines


def _bits(x: float) -> str:
    return np.float64(x).tobytes()[::-1].hex()


def _digits(at: Share) -> float:
    off = abs(at.got - at.wanted)
    if not off or not at.wanted:
        return 0.0 if off else 17.0
    return max(0.0, float(-np.log10(off / abs(at.wanted))))


def _like(like: Like) -> str:
    line = " / ".join(like.line.splitlines()) or "(left out)"
    where = f"; {like.link}" if like.link else ""
    if like.kind == "edit":
        return f"a change of {', '.join(like.tags)}, of no known name: {line}\n    for {like.was}"
    return f"{like.variant} ({like.kind}): {line}\n    for {like.was} [{like.seen}{where}]"


def _expected(expectation: Expectation) -> dict[str, str]:
    return {k: str(v) for k, v in vars(expectation).items() if v is not None}


def _result(result: Result) -> dict[str, Any]:
    found = {k: v for k, v in vars(result).items() if k not in ("replay", "shares", "departure")}
    departure = result.departure
    return found | {
        "likes": [vars(like) for like in result.likes],
        "shares": [vars(s) for s in result.shares],
        "alone": [vars(s) for s in getattr(result, "alone", ())],
        "departure": None if departure is None else {
            "at": vars(departure.at),
            "agreed": [vars(s) for s in departure.agreed],
            "unseen": list(departure.unseen),
        },
    }


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(v) for v in x]
    if isinstance(x, float) and not np.isfinite(x):
        return repr(x)
    return x
