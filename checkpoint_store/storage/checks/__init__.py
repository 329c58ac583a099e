"""The checks of the contents of a store file, of its copies, and of the WAL beside it."""
