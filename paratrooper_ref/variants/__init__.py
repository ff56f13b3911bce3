"""Variants: published dialects, known bugs and other forms of evaluation, as data."""

from paratrooper_ref.variants.table import VARIANTS
from paratrooper_ref.variants.variant import Variant, VariantError, changed, rewritten

__all__ = ["VARIANTS", "Variant", "VariantError", "changed", "rewritten"]
