"""Profiles: what each table of a run looks like as a whole, and what a standard's pack expects of that, period against period."""
