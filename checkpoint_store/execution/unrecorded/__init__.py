"""Results that were paid for and that the store has not recorded yet."""
