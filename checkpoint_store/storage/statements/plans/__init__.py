"""Statements that compare a plan with the jobs of a store: which job goes on, and which results are taken over."""
