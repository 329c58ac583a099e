"""The files of a store: their names, which of them exist, and their checks."""
