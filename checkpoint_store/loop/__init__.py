"""The loop that works a job off: schedule, executors, failures, limits, signals."""
