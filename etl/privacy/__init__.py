"""Personal data: masking transforms and their keys, what people see, the vault, and the leak scan."""
