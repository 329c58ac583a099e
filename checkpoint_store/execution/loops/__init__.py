"""The open loops on the jobs of a store, and what a loop must not wait for."""
