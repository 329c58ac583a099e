"""One job at work: its chunks, its claims, its results on their way to the storage."""
