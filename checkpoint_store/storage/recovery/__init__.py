"""Recover a damaged store: find the damage, read every copy, make the store anew."""
