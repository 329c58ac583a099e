"""A process that was stopped while it holds a lock: the others are told which one, and what to do."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, StoreBusy
from checkpoint_store.system import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Children

INSIDE = ["a transaction", "the lock file"]


def hold(children: Children, inside: str, how: str) -> Popen[str]:
    """Start a process that stands still in the middle of something."""
    holder = children.start(program(__file__, "hold_lock"), inside, how)
    assert children.next_line(holder) == "inside"
    return holder


def is_stopped(holder: Popen[str]) -> bool:
    return Path(f"/proc/{holder.pid}/stat").read_text().rpartition(") ")[2][0] == "T"


def ask(path: Path, inside: str) -> None:
    """Do what needs the lock that the other process holds."""
    with CheckpointStore(path, lock_timeout_seconds=0.2, state_file=None) as store:
        if inside == "a transaction":
            store.jobs()[0].complete(0, "paid for")
        else:
            from checkpoint_store.storage.connection.open_lock import store_lock

            with store_lock(path, 0.2):
                pass


@pytest.mark.slow_variants
@pytest.mark.parametrize("inside", INSIDE)
def test_a_stopped_process_is_named_with_what_to_do(tmp_path: Path, children: Children, inside: str) -> None:
    """The error about a lock names the stopped process that holds it, and how that process goes on or ends."""
    holder = hold(children, inside, "stops")
    wait_until(lambda: is_stopped(holder))
    with pytest.raises(StoreBusy) as caught:
        ask(tmp_path / "talks.db", inside)
    said = str(caught.value)
    assert caught.value.holders == (holder.pid,), said
    assert f"was kept locked by process {holder.pid} (python" in said
    assert ", which was stopped (Ctrl-Z or SIGSTOP), for 0.2 s" in said
    assert f"kill -CONT {holder.pid}), or end it (kill -9 {holder.pid})" in said
    assert "recorded is safe" in said
    os.kill(holder.pid, signal.SIGCONT)
    assert children.next_line(holder) == "outside"
    ask(tmp_path / "talks.db", inside)


@pytest.mark.slow
@pytest.mark.parametrize("inside", INSIDE)
def test_a_process_at_work_is_named_without_advice(tmp_path: Path, children: Children, inside: str) -> None:
    """The error about a lock names a slow process that holds it, and does not advise to end that process."""
    holder = hold(children, inside, "waits for a line")
    with pytest.raises(StoreBusy, match=rf"locked by process {holder.pid} \(python[\w.]*\) for 0.2 s") as caught:
        ask(tmp_path / "talks.db", inside)
    assert "kill" not in str(caught.value)
    children.finish(holder, "\n\n")


@pytest.fixture
def freezer() -> Iterator[Path]:
    """A cgroup whose processes can be frozen, as a container that is paused; of the first version or of the second."""
    first = Path("/sys/fs/cgroup/freezer")
    group = (first if first.exists() else Path("/sys/fs/cgroup")) / f"checkpoint-store-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield group
    freeze(group, frozen=False)
    for pid in (group / "cgroup.procs").read_text().split():
        with suppress(OSError):
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def freeze(group: Path, *, frozen: bool) -> None:
    """Freeze the processes of a cgroup, or let them go on; ready when this returns."""
    if (group / "freezer.state").exists():
        wanted = "FROZEN" if frozen else "THAWED"
        (group / "freezer.state").write_text(wanted)
        wait_until(lambda: (group / "freezer.state").read_text().strip() == wanted)
    else:
        (group / "cgroup.freeze").write_text(str(int(frozen)))
        wait_until(lambda: f"frozen {int(frozen)}" in (group / "cgroup.events").read_text())


@pytest.mark.root
def test_a_frozen_container_is_named(tmp_path: Path, children: Children, freezer: Path) -> None:
    """What is paused as ``docker pause`` does it does not count as stopped for the kernel; the message says so."""
    holder = hold(children, "a transaction", "waits for a line")
    (freezer / "cgroup.procs").write_text(str(holder.pid))
    freeze(freezer, frozen=True)
    with pytest.raises(StoreBusy, match=r"is paused with its container, for 0.2 s.*docker unpause") as caught:
        ask(tmp_path / "talks.db", "a transaction")
    assert caught.value.holders == (holder.pid,)
    freeze(freezer, frozen=False)
    children.finish(holder, "\n\n")


def test_a_container_of_any_name_is_known_as_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error about a lock names what is paused, whatever letters and bytes the name of its container has."""
    for folder in ("proc", "cgroups"):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(processes, f"_{folder.upper()}", tmp_path / folder)
    monkeypatch.setattr(processes, "_UNIFIED", (tmp_path / "cgroups",))
    name = b"b\xe9te\r\xc2\x85x"
    group = tmp_path / "cgroups" / os.fsdecode(name)
    group.mkdir()
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    (tmp_path / "proc" / "7").mkdir()
    (tmp_path / "proc" / "7" / "cgroup").write_bytes(b"0::/" + name + b"\n")
    pause = processes.pause_of(7)
    assert pause is not None
    assert pause.cause == "is paused with its container"
    (tmp_path / "proc" / "7" / "cgroup").write_bytes(b"")  # where no cgroups are to be seen
    assert processes.pause_of(7) is None


def test_a_long_name_of_a_program_is_whole(tmp_path: Path) -> None:
    """The kernel cuts names after 15 letters, and "checkpoint-stor" looks like a slip; an argument may be a secret."""
    script = tmp_path / "a-program-of-mine"
    script.write_text("#!/bin/sh\necho started\nread answer\n")
    script.chmod(0o700)
    with Popen([str(script), "a-program-of-mine-secret"], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said = processes.described(process.pid)
        process.communicate("")
    assert said == f"process {process.pid} (a-program-of-mine)"
