"""Named figures: defined once as data, computed from the standardised tables of a run, drilled down to their rows, and reconciled."""
