"""Alembic migrations of a store file, under guards that keep its content."""
