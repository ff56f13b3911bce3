"""The peers come last."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the end what starts threads: jax does, and nothing may fork after that."""
    items.sort(key=lambda item: item.get_closest_marker("peers") is not None)
