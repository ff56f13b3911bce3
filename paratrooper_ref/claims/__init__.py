"""The source's claims, measured: `measure`, the table `CLAIMS`, and the rule `decide`.

An experiment is a product of three things, each declared in a file of its own: arms (what is
compared), settings (problems, mini-batches, starts) and learning rates.  A claim is data: which
number of which arm is lower than which number of which other.  The rule that decides was written
before anything was measured, but for what half the seeds decide.
"""

from paratrooper_ref.claims.measure import EPOCHS, RATES, SEEDS, measure
from paratrooper_ref.claims.settings import SETTINGS
from paratrooper_ref.claims.table import CLAIMS, Claim, Comparison
from paratrooper_ref.claims.verdicts import Verdict, decide
from paratrooper_ref.intervals import Interval, interval

__all__ = [
    "CLAIMS",
    "EPOCHS",
    "RATES",
    "SEEDS",
    "SETTINGS",
    "Claim",
    "Comparison",
    "Interval",
    "Verdict",
    "decide",
    "interval",
    "measure",
]
