"""Values to JSON text and back, and the rules that they keep."""
