"""Which commit a file is of."""

import subprocess
from pathlib import Path

import pytest

from jobsched.config.commit import commit_of


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "inner"
    folder.mkdir(parents=True)
    (folder / "jobs.yaml").write_text("jobs: {}\n")
    git(folder, "init", "-q", "..")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_unchanged_file_is_of_the_commit_that_is_checked_out(repository: Path) -> None:
    assert commit_of([repository / "jobs.yaml"]) == git(repository, "rev-parse", "HEAD")


def test_other_changes_in_the_repository_do_not_matter(repository: Path) -> None:
    (repository / "notes.txt").write_text("x")

    assert commit_of([repository / "jobs.yaml"]) is not None


@pytest.mark.parametrize("staged", [False, True])
def test_a_changed_file_is_of_no_commit(repository: Path, staged: bool) -> None:
    (repository / "jobs.yaml").write_text("jobs:\n")
    if staged:
        git(repository, "add", ".")

    assert commit_of([repository / "jobs.yaml"]) is None


def test_a_file_that_git_does_not_know_is_of_no_commit(repository: Path) -> None:
    (repository / "more.yaml").write_text("jobs: {}\n")

    assert commit_of([repository / "jobs.yaml", repository / "more.yaml"]) is None


def test_without_a_repository_or_git_there_is_no_commit(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs.yaml").write_text("jobs: {}\n")

    assert commit_of([tmp_path / "jobs.yaml"]) is None
    assert commit_of([]) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of([repository / "jobs.yaml"]) is None
