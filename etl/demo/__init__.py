"""The demo insurer: core systems generated with known, planted faults."""
