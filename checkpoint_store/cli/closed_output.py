"""A closed standard output: a command that writes to it fails, as it does on a full disk."""

from __future__ import annotations

import errno
import io


class ClosedOutput(io.TextIOBase):
    """The stream in the place of a closed standard output.

    Python sets a closed stream to None, and ``print`` then writes nothing and raises nothing: a command would end as
    done although nobody got its results.
    """

    encoding = "utf-8"
    errors = "strict"

    def write(self, text: str) -> int:
        """Raise :class:`OSError`, unless the text is empty.

        Raises:
            OSError: there is no place for the text.
        """
        if text:
            raise OSError(errno.EBADF, "it is closed")
        return 0
