"""From source columns to data items: mappings, code maps, and the compiled query that standardises a table."""
