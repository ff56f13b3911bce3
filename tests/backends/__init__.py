"""Implementations that the tests hold to the kit: written from the papers, not from the package."""
