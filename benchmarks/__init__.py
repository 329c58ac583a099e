"""How fast checkpoint_store is, against the limit of the machine and against others: ``python -m benchmarks``."""
