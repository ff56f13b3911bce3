"""The golden corpus: its format, its proofs, its commands."""
