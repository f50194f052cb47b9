"""Eastbound: regulatory data reporting for insurers, from core systems to sealed and traceable submissions."""

__version__ = "0.1.0"
