"""The table of the peers in docs/peers.md: ``python -m tests.peers.table`` writes it anew.

All of it is gathered from the tests: the differences are those that a test shows, the errors
those of the settings in which a peer agrees with us.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.peers.layered import DIALECTS, Case

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"
HEADER = (
    "| Peer | Version | Ours | Differences → as ours says them (test) | Error: ours | theirs |\n"
    "|---|---|---|---|---|---|\n"
)
UNMEASURED = "…"


class Row(NamedTuple):
    """A peer, and what of ours it is compared with."""

    peer: str
    ours: str


ROWS = (
    Row("torch.optim.SGD", "`SGD`"),
    Row("torch.optim.Adam", "`Adam`"),
    Row("torch.optim.AdamW", "`AdamW`"),
    Row("torch.optim.RAdam", "`RAdam(threshold=5)`; decoupled: `RAdamW`"),
    Row("torch.optim.lr_scheduler.ReduceLROnPlateau", "`ReduceOnPlateau`"),
    Row("optax.sgd", "`SGD`"),
    Row("optax.adam", "`Adam`"),
    Row("optax.adamw", "`AdamW`"),
    Row("optax.radam", "`RAdam` with eps √(1 - β2^t); in a chain: `RAdamW`"),
    Row("optax.lamb", "`LAMB`"),
    Row("optax.lars", "`LARS` with λθ in the gradient"),
    Row("optax.lookahead", "`Lookahead` of `SGD`, `Adam`; of a chain: `Ranger`"),
    Row("optax.cosine_decay_schedule", "`FlatThenCosine`"),
    Row("optax.linear_schedule", "`LinearWarmup`"),
)
STATED = {  # by the tests: a schedule is a curve of doubles, not a trajectory
    "torch.optim.lr_scheduler.ReduceLROnPlateau": ("equal bits", "equal bits"),
    "optax.cosine_decay_schedule": ("1 rounding", "10 roundings"),
    "optax.linear_schedule": ("1 rounding", "10 roundings"),
}


def cases() -> list[Case]:
    """Return the settings of all peers; to import the tests is to gather the differences."""
    import_module("tests.peers.test_torch_schedules")
    found: list[Case] = []
    for name in ("test_torch", "test_optax"):
        found += import_module(f"tests.peers.{name}").CASES
    return found


def errors(agreed: Iterable[Case]) -> tuple[str, str]:
    """Return the largest relative error of ours and of the peer's in some settings."""
    ours = theirs = 0.0
    for case in agreed:
        measured = case.measured()
        ours = max(ours, measured.pop("ours").relative)
        theirs = max(theirs, *(off.relative for off in measured.values()))
    return f"{ours:.1e}", f"{theirs:.1e}"


def written(*, measure: bool) -> str:
    """Return the table, with the errors or without."""
    agreed = cases()
    table = HEADER
    for row in ROWS:
        own = [case for case in agreed if case.peer == row.peer]
        off = STATED.get(row.peer) or (errors(own) if measure else (UNMEASURED, UNMEASURED))
        named = [d for d in DIALECTS.values() if d.peer == row.peer]
        differences = "<br>".join(f"{d.difference} → {d.said} (`{d.test}`)" for d in named)
        release = version(row.peer.partition(".")[0]).partition("+")[0]
        cells = (f"`{row.peer}`", release, row.ours, differences, *off)
        table += f"| {' | '.join(cells)} |\n"
    return table


def committed() -> str:
    """Return the table as it stands in the docs, without its errors."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines(True) if line.startswith("|")]
    return re.sub(r"\d\.\de[-+]\d\d", UNMEASURED, "".join(rows))


def main() -> None:
    """Measure, and put the table where it stands."""
    page = PAGE.read_text("utf-8")
    before = page.index(HEADER)
    after = re.compile(r"^(?!\|)", re.MULTILINE).search(page, before)
    page = page[:before] + written(measure=True) + page[after.start() if after else len(page) :]
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
