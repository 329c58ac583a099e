"""The commands ``run`` and ``plan``."""
