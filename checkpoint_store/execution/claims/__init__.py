"""The chunks that this process has claimed, and the runner that it is in the store."""
