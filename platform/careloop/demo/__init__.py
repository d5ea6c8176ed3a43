"""The demo (演示): an invented firm with twelve invented hospitals, lived through by the product's own
services.

Nothing here is needed to run the product. Everything is drawn from a seed, by names and numbers that stay
the same
from run to run, so that the same seed tells the same story.
"""
