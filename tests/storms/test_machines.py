"""The promises on every file system and in containers: kills, two processes, recovering beside a run, a full disk."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, StoreInUse, recover_store

from . import disks

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Children

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

WORKER: Final = program(__file__, "on_a_disk")
CONTAINERS: Final = {
    "a PID namespace": "unshare -p -m --fork --mount-proc --kill-child",
    "a user namespace": "unshare -U -r -p -m --fork --mount-proc --kill-child",
}
NEVER: Final = -1


class Place:
    """A folder, and how programs are started that work in it."""

    def __init__(self, folder: Path, children: Children, wrapper: str = "") -> None:
        self.folder, self._children, self._wrapper = folder, children, wrapper.split()
        self.store = folder / "talks.db"
        self.acknowledged: list[int] = []

    def start(
        self, total: int, *, pause_at: int = NEVER, size: int = 200, outside: bool = False
    ) -> subprocess.Popen[str]:
        """Start a worker; in the container, unless ``outside``."""
        source = f"import os, sys\nos.chdir({str(self.folder)!r})\n"
        source += f"argv = {[sys.executable, '-W', 'error', str(WORKER), *map(str, (total, pause_at, size))]!r}\n"
        source += f"argv = {[] if outside else self._wrapper!r} + argv\nos.execvp(argv[0], argv)"
        return self._children.start(source)

    def read(self, worker: subprocess.Popen[str], lines: int = sys.maxsize) -> str | None:
        """Note up to ``lines`` acknowledged chunks; return the word that came instead, or None."""
        assert worker.stdout is not None
        for _ in range(lines):
            line = worker.stdout.readline().strip()
            if not line.isdigit():
                return line or None
            self.acknowledged.append(int(line))
        return None

    def go_on(self, worker: subprocess.Popen[str]) -> None:
        assert worker.stdin is not None
        worker.stdin.write("go on\n")
        worker.stdin.flush()

    def finish(self, worker: subprocess.Popen[str]) -> None:
        """Note what the worker still acknowledges, and expect that it ends well."""
        assert self.read(worker) is None
        self._children.finish(worker)

    def check(self, total: int, *, twice: int = 0) -> None:
        """Every acknowledged chunk is there and exact, each was done once, and nothing is wrong with the store."""
        with CheckpointStore(self.store) as store:
            (job,) = store.jobs()
            found = dict(job.items())
            assert sorted(found) == list(range(total))
            assert all(found[index]["index"] == index for index in found)
            assert store.check() == []
        assert len(self.acknowledged) - len(set(self.acknowledged)) <= twice
        assert set(self.acknowledged) <= set(found)


def kill_storm(place: Place, kills: int) -> None:
    """Worker after worker is killed in the middle of its work; another one goes on at once."""
    total = kills * 12
    for _ in range(kills):
        worker = place.start(total)
        place.read(worker, 7)
        worker.kill()
        place.read(worker)
        worker.wait()
    place.finish(place.start(total))
    place.check(total)


def two_processes(place: Place, kills: int) -> None:
    """Two workers share the chunks; in a container, one of them is outside."""
    total = kills * 40
    workers = [place.start(total), place.start(total, outside=True)]
    for worker in workers:
        place.finish(worker)
    place.check(total)


def recover_beside(place: Place, kills: int) -> None:
    """No recovery replaces the store under a live run, even an idle one; after the run, a recovery works."""
    worker = place.start(20, pause_at=9)
    assert place.read(worker) == "pause"
    for _ in range(kills):
        with pytest.raises(StoreInUse):
            recover_store(place.store, accept_loss=True, lock_timeout_seconds=0.05)
    place.go_on(worker)
    place.finish(worker)
    recover_store(place.store, lock_timeout_seconds=5)
    place.check(20)


def full_disk(place: Place, kills: int) -> None:
    """A full disk is reported; with room again, the same object goes on, and nothing acknowledged is lost."""
    total = kills + 30
    worker = place.start(total, pause_at=2, size=100_000)
    assert place.read(worker) == "pause"
    ballast = disks.fill(place.folder)
    place.go_on(worker)
    assert place.read(worker) in ("full", None)
    ballast.unlink()
    if worker.poll() is None:
        place.go_on(worker)
        while (said := place.read(worker)) is not None:
            assert said == "full"
            place.go_on(worker)
        place.finish(worker)
    else:  # see docs/reliability.md: a page of the index of the log has no room of its own
        assert worker.returncode == -signal.SIGBUS
        assert any(name in str(place.folder) for name in ("1_KiB", "btrfs"))
        place.finish(place.start(total))
    place.check(total)


SITUATIONS: Final[dict[str, Callable[[Place, int], None]]] = {
    "kill storm": kill_storm,
    "two processes": two_processes,
    "recover beside a run": recover_beside,
    "full disk": full_disk,
}
situations = pytest.mark.parametrize("situation", SITUATIONS)
sizes = pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.storm)])


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / request.param.replace(" ", "_")
    folder.mkdir()
    with disks.mounted(request.param, folder) as place:
        yield place


@sizes
@situations
@pytest.mark.parametrize("disk", disks.FILE_SYSTEMS, indirect=True)
def test_on_every_file_system(disk: Path, children: Children, situation: str, kills: int) -> None:
    """No acknowledged chunk is lost or done twice, on whatever file system the folder lies."""
    SITUATIONS[situation](Place(disk, children), kills)


@sizes
@situations
@pytest.mark.parametrize("container", CONTAINERS)
def test_in_every_container(tmp_path: Path, children: Children, container: str, situation: str, kills: int) -> None:
    """No acknowledged chunk is lost or done twice if the worker runs in namespaces of its own and shares the folder."""
    disks.run(*CONTAINERS[container].split(), "true")
    with disks.mounted("tmpfs", tmp_path) as folder:
        SITUATIONS[situation](Place(folder, children, CONTAINERS[container]), kills)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_killed_containers_chunks_are_free_and_a_paused_ones_are_not(
    tmp_path: Path, children: Children, container: str
) -> None:
    """The lock of a runner says who lives, whatever its process is called in its container."""
    disks.run(*CONTAINERS[container].split(), "true")
    place = Place(tmp_path, children, CONTAINERS[container])
    worker = place.start(6, pause_at=2)
    assert place.read(worker) == "pause"
    place.finish(place.start(6, outside=True))
    assert 2 not in place.acknowledged
    worker.kill()
    worker.wait()
    place.finish(place.start(6, outside=True))
    assert 2 in place.acknowledged
    place.check(6)
