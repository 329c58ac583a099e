"""Merge the results of another machine for the same plan: read a private copy of its store, job by job."""
