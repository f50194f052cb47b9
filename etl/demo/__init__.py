"""The demo insurer: core systems generated with known, planted faults."""

# The core systems, in the order in which they are written. The later ones may be left out: workspaces made before they existed
# name only the first four.
SYSTEMS = ("life_admin", "claims", "service", "finance", "hr", "reinsurance", "pension", "investment", "related")
LEAST_SYSTEMS = SYSTEMS[:4]
