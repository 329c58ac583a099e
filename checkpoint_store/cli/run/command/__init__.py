"""COMMAND: how it is called for a chunk, and how its answer is read."""
