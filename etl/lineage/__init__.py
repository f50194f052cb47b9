"""The way back: from a submitted line to the rows it was made of."""
