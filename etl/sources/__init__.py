"""Core systems: what they promise to deliver, how to reach them, and a consistent extract of their tables."""
