"""Merge the results of another store for the same plans: read a private copy of it, job by job."""
