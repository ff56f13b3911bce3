"""Adapter faults as code: a backend for each name of `paratrooper_ref.variants.FAULTS`.

Each is the reference with one fault.  The class that it is made from, its first base, is the same
backend without the fault: it has to conform wherever the fault has to show.  `trials` says on
what each is tried.  Faults of any kernel are in `tests.conformance.faulty`.
"""
