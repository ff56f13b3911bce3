"""Pictures of a report, as SVG written by hand: they need nothing but a page to stand on.

Places from left to right are in per cent, so a picture is as wide as its page and its letters
stay as large as they are.  Errors over bounds are drawn on a logarithmic axis, from the bound:
what hangs from it is within it, what stands on it is not.
"""
