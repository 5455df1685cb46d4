"""Other computers: trees of what their kernels say, in `trees/`, and how to change one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

TREES = Path(__file__).with_name("trees")
# One container on one machine: 1 GiB and the time of one core, by limits of different groups.
CONTAINERS = ("cgroup_v1", "cgroup_v2", "cgroup_hybrid")
# What no kernel writes, and no reader may stumble over.
GARBAGE = (
    b"",
    b"\0" * 64,
    b"\xff\xfe\xfa" * 9,
    b"9" * 5000,
    b"-1",
    b"max",
    b"nonsense: nonsense nonsense\n" * 3,
    "٣".encode(),
    b"0-999999999999999",
    b"0::/../../\0x\n4:cpu,memory,cpuset:/" + b"a/" * 3000 + b"\n",
)


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below `root`; those that are there are replaced."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def changed(tree: str, folder: Path, files: Mapping[str, str | None]) -> Path:
    """A copy of a tree in which some files say something else, or (None) are absent."""
    root = folder / tree
    shutil.copytree(TREES / tree, root, dirs_exist_ok=True)
    for name, content in files.items():
        if content is None:
            (root / name).unlink()
        else:
            plant(root, {name: content})
    return root


def this_machine(folder: Path) -> Path:
    """This machine's files by another root, so that none of its system calls is asked."""
    root = folder / "root"
    root.symlink_to("/")
    return root
