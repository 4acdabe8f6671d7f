"""The git commit that files stand in, if they stand in it unchanged."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

_PATIENCE_SECONDS = 5


def commit_of(files: Sequence[Path]) -> str | None:
    """The hash of the commit that holds exactly these files' contents.

    None: no repository, no git, a file that is not in it or was changed since, files of several repositories.
    Starts git, so it is for those that record a generation, not for those that only check files.
    """
    tops = {_top(file.resolve().parent) for file in files}
    top = tops.pop() if len(tops) == 1 else None
    if top is None:
        return None
    names = [str(file.resolve().relative_to(top)) for file in files]
    tracked = _git(top, "ls-files", "-z", "--", *names)
    if tracked is None or set(tracked.rstrip("\0").split("\0")) != set(names):
        return None
    if _git(top, "status", "--porcelain", "--untracked-files=no", "--", *names) != "":
        return None
    head = _git(top, "rev-parse", "--verify", "HEAD")
    return head.strip() if head else None


def git_is_at_work(files: Iterable[Path]) -> bool:
    """Whether git holds the lock of a repository that these files stand in: a checkout may be half done."""
    tops = {_top(folder) for folder in {file.resolve().parent for file in files}}
    return any(top is not None and (top / ".git" / "index.lock").exists() for top in tops)


def _top(folder: Path) -> Path | None:
    """The folder above with a `.git`: a file there (worktrees, submodules) counts too."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def _git(top: Path, *arguments: str) -> str | None:
    # What a repository's own configuration could make git start stays off; a lock would be in the way of its owner.
    command = ["git", "--literal-pathspecs", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  # a fixed program; the names are files that were read
            command,
            cwd=top,
            env=environ,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
