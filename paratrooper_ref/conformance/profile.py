"""Profiles: the arithmetic that a backend declares, from which its bounds follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import Any, Final, Literal, Self

from paratrooper_ref.arithmetic.running import FLOAT32, FLOAT64, FORMATS, Format, Formed
from paratrooper_ref.optimizers.hyper import nearest

Scalars = Literal["float64", "mixed", "array"]
Sums = Literal["any", "neighbours"]

DTYPES: Final = tuple(FORMATS)
SCALARS: Final = ("float64", "mixed", "array")
SUMS: Final = ("any", "neighbours")
ULPS: Final = 2.0  # roundings in a unit in the last place


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What arithmetic a backend does; every tolerance of the kit follows from it.

    Parameters
    ----------
    dtype : {"float64", "float32", "float16", "bfloat16"}
        Of the operations, and of parameters, state and gradients that `slots` does not name.
    slots : mapping of str to str
        Dtypes of slots ("theta", "m", "v", "u", "slow", "g") that are stored otherwise: a
        bfloat16 state beside float32 operations, or master weights (``theta="float32"``).
    scalars : {"float64", "mixed", "array"}
        How numbers of t and the betas are formed: in double before they meet an array; in
        double as long as t is not in them and then in dtype (JAX, and torch's capturable
        optimizers: ``beta**t`` of arrays); or in dtype from the hyperparameters on.  In the
        last two a dtype narrower than float32 means float32.
    forms : bool
        Whether a line may be written in any of its forms (`paratrooper_ref.variants.FORMS`), or
        only as published.
    sums : {"any", "neighbours"}
        The order in which norms are summed: any, or the reference's own.
    accumulate : str, optional
        The dtype in which sums are formed; that of the operations, float32 for narrower ones.
    division, root : float
        Error of a quotient and of a square root in units in the last place: 0.5 where they are
        correctly rounded; 2 for CUDA's ``div.full.f32``.
    flush : bool
        Whether subnormal numbers may become 0.
    inject : bool
        Whether a state can be given to the backend; if not, only first steps can be checked
        one by one.

    Notes
    -----
    Fused multiply-adds, powers by libm or by repeated products, and any order of sums are
    admitted by every profile: a bound that covers every rounding covers their absence.

    Examples
    --------
    >>> Profile(dtype="bfloat16", slots={"m": "float32"}).format.precision
    8
    """

    dtype: str = "float32"
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)
    scalars: Scalars = "float64"
    forms: bool = True
    sums: Sums = "any"
    accumulate: str | None = None
    division: float = 0.5
    root: float = 0.5
    flush: bool = False
    inject: bool = True

    def __post_init__(self) -> None:
        for name, dtype in {"dtype": self.dtype, **self.slots}.items():
            if dtype not in FORMATS:
                msg = f"Profile needs a dtype, got {name}={dtype!r}; {nearest(dtype, FORMATS)}"
                raise ValueError(msg)
        if self.scalars not in SCALARS:
            known = nearest(self.scalars, SCALARS)
            msg = f"Profile needs how scalars are formed, got scalars={self.scalars!r}; {known}"
            raise ValueError(msg)
        if self.accumulate not in (None, *FORMATS):
            msg = f"Profile needs a dtype or None, got accumulate={self.accumulate!r}"
            raise ValueError(msg)
        if self.sums not in SUMS:
            known = nearest(self.sums, SUMS)
            msg = f"Profile needs an order of sums, got sums={self.sums!r}; {known}"
            raise ValueError(msg)
        for name in ("forms", "flush", "inject"):
            if not isinstance(getattr(self, name), bool):
                msg = f"Profile needs True or False, got {name}={getattr(self, name)!r}"
                raise ValueError(msg)
        for name in ("division", "root"):
            if not 0.5 <= getattr(self, name) < 2.0**20:
                msg = f"Profile needs {name} >= 0.5 units, got {name}={getattr(self, name)!r}"
                raise ValueError(msg)
        object.__setattr__(self, "slots", dict(self.slots))

    @cached_property
    def format(self) -> Format:
        """The arithmetic of arrays."""
        base = FORMATS[self.dtype]
        wider = self.accumulate or ("float32" if base.precision < FLOAT32.precision else None)
        accumulator = None if wider in (None, self.dtype) else self._as_declared(FORMATS[wider])
        return replace(self._as_declared(base), accumulator=accumulator)

    def _as_declared(self, base: Format) -> Format:
        return replace(
            base, sums=self.sums, division=ULPS * self.division, root=ULPS * self.root,
            flushes=self.flush,
        )

    def kind(self, *, guesses: bool = False) -> Formed:
        """Return the arithmetic of scalars; one that guesses decides every branch."""
        own = FORMATS[self.dtype]
        wide = own if own.precision >= FLOAT32.precision else FLOAT32
        return _formed(
            FLOAT64 if self.scalars == "float64" else wide,
            wide if self.scalars == "array" else FLOAT64,
            guesses,
        )

    def stored(self, slot: str) -> Format:
        """Return the format in which a slot is stored."""
        return FORMATS[self.slots.get(slot, self.dtype)]

    def spec(self) -> dict[str, Any]:
        """Return what differs from the defaults, as plain data."""
        default = type(self)()
        return {
            f.name: asdict(self)[f.name]
            for f in fields(self)
            if f.name == "dtype" or getattr(self, f.name) != getattr(default, f.name)
        }

    def but(self, **changes: Any) -> Self:
        """Return this profile with some other facts."""
        return replace(self, **changes)

    def __str__(self) -> str:
        said = self.spec()
        dtype = said.pop("dtype")
        return ", ".join([dtype, *(f"{name}={value}" for name, value in said.items())])


@lru_cache
def _formed(format: Format, constants: Format, guesses: bool) -> Formed:
    return Formed(format, constants, guesses=guesses)
