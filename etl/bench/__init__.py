"""Measuring: how fast rules are checked, against other ways of doing it on the same data."""
