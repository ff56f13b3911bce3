"""A report as one HTML page."""

from paratrooper_ref.conformance.html.document import page

__all__ = ["page"]
