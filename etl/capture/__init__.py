"""Capture: reading of a core system only what changed since an earlier run, and keeping the whole table as it now is."""

from etl.capture.capture import MODES, capture_system
from etl.capture.image import open_image, view_image

__all__ = ["MODES", "capture_system", "open_image", "view_image"]
