"""Ask for a report where Jinja is not installed, with a store that may not be read; print the errors."""

from __future__ import annotations

import sys
from typing import Any


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "jinja2":
            raise ModuleNotFoundError("No module named 'jinja2'", name=name)


sys.meta_path.insert(0, Missing())


class Untouchable:
    def __getattr__(self, name):
        raise AssertionError(f"{name} was read")


def main() -> None:
    """Import the package only now that Jinja is missing."""
    from checkpoint_store import MissingExtra, report

    untouchable: Any = Untouchable()
    for call in (report.write, report.follow):
        try:
            call(untouchable, "page.html")
        except MissingExtra as error:
            print(error)


main()
