"""Where the work of a loop is done: in this thread, in threads, or in other processes."""
