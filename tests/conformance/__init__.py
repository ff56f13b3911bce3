"""The conformance kit: what it says of right and of wrong backends."""
