"""Where compiled work runs. Nothing else in the house names an engine."""

from etl.engines.local import DiskFull, Engine, open_engine

__all__ = ["DiskFull", "Engine", "open_engine"]
