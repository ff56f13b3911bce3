"""Backends on a GPU, held to the corpus; skipped as unsupported where there is none."""
