"""Use the package from an archive, which stands in argv."""

from __future__ import annotations

import sys

sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path.insert(0, sys.argv[1])


def main() -> None:
    """Import the package only now that the archive stands first."""
    import checkpoint_store

    assert checkpoint_store.__file__.startswith(sys.argv[1]), checkpoint_store.__file__
    with checkpoint_store.CheckpointStore("talk.db") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "recorded")
    with checkpoint_store.CheckpointStore("talk.db") as store:
        print(*store.job("talk.srt").results())


main()
