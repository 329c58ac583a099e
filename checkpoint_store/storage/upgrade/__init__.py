"""Alembic migrations of a store file, under the guards that keep what was there."""
