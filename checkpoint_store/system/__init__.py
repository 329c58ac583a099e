"""Files, file locks and forks of the operating system. This room knows no word of checkpoint_store."""
