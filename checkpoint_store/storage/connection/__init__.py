"""The connections of a store, and the one gate through which transactions pass."""
