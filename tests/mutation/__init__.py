"""Mutation testing of the package's own core: ``python -m tests.mutation --help``."""
