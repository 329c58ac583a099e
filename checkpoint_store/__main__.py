"""``python -m checkpoint_store`` is the ``checkpoint-store`` command."""

import sys

from checkpoint_store.cli import main

sys.exit(main())
