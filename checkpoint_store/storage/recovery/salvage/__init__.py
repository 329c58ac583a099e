"""Rows out of each surviving copy of a store, whatever state it is in."""
