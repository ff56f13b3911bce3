"""The recipes of the corpus, by the name of their case."""

from functools import cache

from paratrooper_ref.golden.recipe import Recipe
from paratrooper_ref.golden.recipes.core import core
from paratrooper_ref.golden.recipes.full import full


@cache
def recipes() -> dict[str, Recipe]:
    """Return all recipes, sorted by name.

    Raises
    ------
    ValueError
        If two have one name.
    """
    found: dict[str, Recipe] = {}
    every: list[Recipe] = [*core(), *full()]
    for recipe in every:
        if recipe.case in found:
            msg = f"a case needs a name of its own, got {recipe.case!r} twice"
            raise ValueError(msg)
        found[recipe.case] = recipe
    return dict(sorted(found.items()))
