"""File systems of a test's own, on loop devices or in memory; what this machine lacks is skipped by name."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAKE: Final = {
    "ext4": ("mkfs.ext4 -q -F -m 0 -b 4096", 64),
    "ext4 with 1 KiB blocks": ("mkfs.ext4 -q -F -m 0 -b 1024", 64),
    "xfs": ("mkfs.xfs -q -f", 400),
    "btrfs": ("mkfs.btrfs -q -f", 200),
    "vfat": ("mkfs.vfat", 64),
}
"""The command that makes each file system in an image, and the size of that in MiB."""
FILE_SYSTEMS: Final = (*MAKE, "tmpfs", "overlayfs", "FUSE (fuse-overlayfs)", "FUSE (bindfs)", "FUSE (exfat)")


def run(*words: object) -> None:
    """Run a command; skip the test where the machine has no such program, or the kernel refuses."""
    try:
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        pytest.skip(f"this machine has no {words[0]}")
    if done.returncode:
        pytest.skip(f"{' '.join(map(str, words[:4]))}: {done.stderr.strip() or done.stdout.strip()}")


@contextmanager
def mounted(name: str, folder: Path) -> Iterator[Path]:
    """Mount a file system of this name, and yield its folder."""
    place = folder / "disk"
    place.mkdir()
    _mount(name, folder, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True, timeout=120)


def _mount(name: str, folder: Path, place: Path) -> None:
    if name in MAKE:
        command, mebibytes = MAKE[name]
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(mebibytes << 20)
        run(*command.split(), image)
        run("mount", "-o", "loop", image, place)
    elif name == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", "size=64m", "disk", place)
    elif "overlayfs" in name:
        layers = folder / "layers"
        layers.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64m", "layers", layers)  # overlayfs cannot lie on itself
        try:
            for layer in ("lower", "upper", "work"):
                (layers / layer).mkdir()
            given = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
            command = ("mount", "-t", "overlay", "overlay") if name == "overlayfs" else ("fuse-overlayfs",)
            run(*command, "-o", given, place)
        finally:
            subprocess.run(["umount", "-l", layers], check=True, timeout=60)  # goes once the overlay does
    elif name == "FUSE (bindfs)":
        real = folder / "real"
        real.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64m", "real", real)
        try:
            run("bindfs", real, place)
        finally:
            subprocess.run(["umount", "-l", real], check=True, timeout=60)
    else:
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(64 << 20)
        run("mkfs.exfat", image)
        loop = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=False)
        if loop.returncode:
            pytest.skip(f"no loop device: {loop.stderr.strip()}")
        try:
            run("mount.exfat-fuse", loop.stdout.strip(), place)
        finally:
            subprocess.run(["losetup", "-d", loop.stdout.strip()], check=False, timeout=60)  # once it is unmounted


def fill(folder: Path, left_bytes: int = 0) -> Path:
    """Fill a file system up to the last ``left_bytes``, and return the file that fills it."""
    ballast = folder / "ballast"
    # Some file systems find out at the closing that there is no room.
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 16, 4096, 512):
            try:
                while shutil.disk_usage(folder).free > left_bytes:
                    file.write(b"\1" * size)
            except OSError:
                continue
    return ballast
