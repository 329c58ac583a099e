"""Salvage the rows of each surviving copy of a store, however damaged it is."""
