"""docs/peers.md says what the tests show, and only that."""

from __future__ import annotations

import pytest

from tests.peers.layered import DIALECTS
from tests.peers.table import ROWS, committed, written

pytest.importorskip("torch", reason='torch comes with the extra "peers"')
pytest.importorskip("optax", reason='optax comes with the extra "peers"')

pytestmark = pytest.mark.peers


def test_the_table_is_the_tests() -> None:
    """`python -m tests.peers.table` writes the table; but for the digits of errors it stands."""
    assert committed() == written(measure=False)


def test_every_peer_has_a_row() -> None:
    """A difference is entered under a peer's full name, and a misspelt one has no row."""
    written(measure=False)
    assert {peer for peer, _ in DIALECTS} <= {row.peer for row in ROWS}
