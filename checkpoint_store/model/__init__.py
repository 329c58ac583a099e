"""Immutable values: states, records, plans, attempts. This room knows no disk."""
