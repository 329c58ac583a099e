"""What the tests of map share."""

from __future__ import annotations

import time

CHUNKS = [f"chunk {index}" for index in range(12)]


def upper(text: str) -> str:
    return text.upper()


class Flaky:
    """Fails some chunks so many times, and counts the calls."""

    def __init__(self, error: BaseException | None = None, **times: int) -> None:
        self.error = error or ConnectionError("the line is down")
        self.times = {int(name.removeprefix("c")): count for name, count in times.items()}
        self.calls: list[int] = []
        self.at: list[float] = []

    def __call__(self, text: str) -> str:
        index = int(text.rsplit(maxsplit=1)[-1])
        self.calls.append(index)
        self.at.append(time.monotonic())
        if self.times.get(index, 0) > 0:
            self.times[index] -= 1
            raise self.error
        return text.upper()
