"""Check rules (检核规则): loading, compiling to one pass per table, running, findings."""
