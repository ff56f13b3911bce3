"""Variants: published dialects, known bugs and other forms of evaluation, as data."""

from typing import Final

from paratrooper_ref.variants.dialect_forms import DIALECT_FORMS
from paratrooper_ref.variants.faults import FAULTS, Fault
from paratrooper_ref.variants.forms import PUBLISHED_FORMS
from paratrooper_ref.variants.heard import heard
from paratrooper_ref.variants.schedules import SCHEDULE_VARIANTS, rescheduled
from paratrooper_ref.variants.table import BUGS_AND_DIALECTS
from paratrooper_ref.variants.variant import Variant, VariantError, changed, rewritten

FORMS: Final = (*PUBLISHED_FORMS, *DIALECT_FORMS)
VARIANTS: Final[dict[str, Variant]] = {v.name: v for v in (*BUGS_AND_DIALECTS, *FORMS)}

__all__ = [
    "FAULTS",
    "FORMS",
    "SCHEDULE_VARIANTS",
    "VARIANTS",
    "Fault",
    "Variant",
    "VariantError",
    "changed",
    "heard",
    "rescheduled",
    "rewritten",
]
