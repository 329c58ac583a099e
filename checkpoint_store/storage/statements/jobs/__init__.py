"""Statements about jobs: rows in, frozen records out."""
