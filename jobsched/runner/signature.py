"""Signature: what the file system says of the files, without reading them."""

import os
from collections.abc import Sequence
from pathlib import Path

from jobsched.config.commit import git_is_at_work
from jobsched.config.sources import SUFFIXES

#: Path, device, inode, size, mtime and ctime; of a file that is not there the path and zeros.
FileSignature = tuple[str, int, int, int, int, int]
Signature = tuple[FileSignature, ...]


def signature(paths: Sequence[Path]) -> Signature:
    """What `stat` says of the files (of a folder: of its YAML files), following links. Never raises."""
    return tuple(_of_file(file) for path in paths for file in _files(path))


def is_finished(seen: Signature) -> bool:
    """Whether every file is there and ends a line, and git is not at work: else somebody is probably about to write more."""
    return all(_ends_a_line(entry) for entry in seen) and not git_is_at_work(Path(entry[0]) for entry in seen)


def folders_of(paths: Sequence[Path]) -> frozenset[str]:
    """The existing folders in which these files can change: where they are named, and where links lead. Never raises."""
    files = {file for path in paths for file in (path, *_files(path))}
    try:
        # Real paths: watchdog does not follow a link that is itself the folder.
        named = {os.path.realpath(file.parent) for file in files}
        led_to = {os.path.dirname(os.path.realpath(file)) for file in files}  # noqa: PTH120 - of a string, without links
    except OSError:  # the folder that the node was started in is gone
        return frozenset()
    return frozenset(folder for folder in named | led_to if os.path.isdir(folder))  # noqa: PTH112 - never raises


def _files(path: Path) -> list[Path]:
    try:
        # Not the folder itself: files that come and go beside ours would keep it moving for ever.
        inside = [each for each in path.iterdir() if each.suffix in SUFFIXES and not each.name.startswith(".")]
    except OSError:
        return [path]  # a file, or nothing
    return sorted(inside) or [path / "*"]  # such a file is never there


def _of_file(file: Path) -> FileSignature:
    try:
        found = file.stat()
    except OSError:
        return (str(file), 0, 0, 0, 0, 0)
    # ctime too: it alone betrays a file whose size and mtime were put back.
    return (str(file), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _ends_a_line(entry: FileSignature) -> bool:
    path, size = Path(entry[0]), entry[3]
    if size == 0:
        return False
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except OSError:
        return True  # a folder, or not ours to read: waiting will not tell
