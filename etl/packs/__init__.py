"""Pack folders: where standards, mappings and rules are found, and how their files are read."""
