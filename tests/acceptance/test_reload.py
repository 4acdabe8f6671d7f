"""Hot reload in the wild: each way in which files change on real machines, with the real command.

A stable content is seen without being told, applied exactly once and whole, and the next change after it is seen too.
"""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import NodeProcess, Workplace

pytestmark = pytest.mark.acceptance

JOBS = 8


def version(number: int, jobs: int = JOBS, prefix: str = "job") -> str:
    """A file whose jobs all tell which version they are of."""
    lines = [f"  {prefix}-{each}:\n    command: ['true']\n    timeout: {number}0s\n" for each in range(jobs)]
    return "version: 1\njobs:\n" + "".join(lines)


def pause() -> None:
    """As long as a writer may well need between two writes: longer than what a changed file must stand still for."""
    threading.Event().wait(0.6)


@dataclass
class Followed:
    """A node that follows files, and what it has made of them."""

    place: "Workplace"
    node: "NodeProcess"

    def has_applied(self, generation: int) -> None:
        """Exactly so many generations are there, and nothing is left to read."""
        self.node.wait_for_log(f"generation {generation} applied")
        self.settled()
        assert [each.number for each in self.place.client.generations()] == list(range(generation, 0, -1)), (
            self.node.log
        )

    def settled(self) -> None:
        """Whatever changed until now has been dealt with: a reload that is asked for afterwards finds nothing new."""
        said = self.node.log.count("nothing has changed")
        self.node.process.send_signal(signal.SIGHUP)
        self.node.wait_for_log("nothing has changed", said + 1)

    def versions(self) -> dict[str, int]:
        """The version of each job that the database has."""
        stored = {each.job.name: each.job.timeout for each in self.place.client.jobs()}
        return {
            name: int(timeout.after.total_seconds()) // 10 for name, timeout in stored.items() if timeout is not None
        }


def follow(place: "Workplace", *paths: str) -> Followed:
    return Followed(place, place.start_node(*paths))


def all_of(number: int, jobs: int = JOBS, prefix: str = "job") -> dict[str, int]:
    return {f"{prefix}-{each}": number for each in range(jobs)}


# -- one file, each way of changing it


def written_in_place(file: Path, text: str) -> None:
    file.write_text(text)


def written_slowly(file: Path, text: str) -> None:
    with file.open("w") as opened:
        pause()  # it is empty
        # Valid so far, with too few jobs gone for the brake, and the last one's timeout a tenth.
        half = text.index(f"job-{JOBS - 3}:")
        half = text.index("timeout: ", half) + len("timeout: 2")
        opened.write(text[:half])
        opened.flush()
        pause()
        opened.write(text[half:])


def renamed_over(file: Path, text: str) -> None:
    new = file.with_name("new.tmp")
    new.write_text(text)
    new.replace(file)


def renamed_from_elsewhere(file: Path, text: str) -> None:
    new = file.parent.parent / "new.tmp"
    new.write_text(text)
    new.replace(file)


def edited_by_sed(file: Path, text: str) -> None:
    timeout = text.partition("timeout: ")[2].partition("\n")[0]
    subprocess.run(["sed", "-i", f"s/timeout: [0-9]*s/timeout: {timeout}/", str(file)], check=True)


def deleted_and_recreated(file: Path, text: str) -> None:
    file.unlink()
    pause()
    file.write_text(text)


def swapped_by_the_kubelet(file: Path, text: str) -> None:
    """As the kubelet updates a ConfigMap: a folder by time, `..data` renamed to lead to it, the old folder removed."""
    mount = file.parent
    old = mount / (mount / "..data").readlink() if (mount / "..data").is_symlink() else None
    new = mount / f"..2026_11_22_10_00_00.{abs(hash(text))}"
    new.mkdir()
    (new / file.name).write_text(text)
    (mount / "..data_tmp").symlink_to(new.name)
    (mount / "..data_tmp").replace(mount / "..data")
    if not file.is_symlink():
        file.unlink(missing_ok=True)
        file.symlink_to(f"..data/{file.name}")
    if old is not None:
        shutil.rmtree(old)


def target_edited_elsewhere(file: Path, text: str) -> None:
    elsewhere = file.parent.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "real.yaml").write_text(text)
    if not file.is_symlink():
        file.unlink(missing_ok=True)
        file.symlink_to(elsewhere / "real.yaml")


def link_led_elsewhere(file: Path, text: str) -> None:
    target = file.parent.parent / f"release-{abs(hash(text))}" / "real.yaml"
    target.parent.mkdir()
    target.write_text(text)
    link = file.with_name("new.tmp")
    link.symlink_to(target)
    link.replace(file)


def folder_replaced(file: Path, text: str) -> None:
    folder = file.parent
    new = folder.with_name("conf.new")
    new.mkdir()
    (new / file.name).write_text(text)
    folder.rename(folder.with_name(f"conf.old-{abs(hash(text))}"))
    new.rename(folder)


def folder_removed_and_recreated(file: Path, text: str) -> None:
    shutil.rmtree(file.parent)
    pause()
    file.parent.mkdir()
    file.write_text(text)


WAYS = [
    written_in_place,
    written_slowly,
    renamed_over,
    renamed_from_elsewhere,
    edited_by_sed,
    deleted_and_recreated,
    swapped_by_the_kubelet,
    target_edited_elsewhere,
    link_led_elsewhere,
    folder_replaced,
    folder_removed_and_recreated,
]
#: Those whose first content has to be laid out in the same way.
LAID_OUT = {swapped_by_the_kubelet, target_edited_elsewhere, link_led_elsewhere}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_changed_file_is_applied_once_and_whole_however_it_is_changed(
    place: "Workplace", way: Callable[[Path, str], None]
) -> None:
    file = place.folder / "conf" / "jobs.yaml"
    file.parent.mkdir()
    (way if way in LAID_OUT else written_in_place)(file, version(1))
    followed = follow(place, "conf/jobs.yaml")

    way(file, version(2))
    followed.has_applied(2)
    second = followed.versions()
    way(file, version(3))
    followed.has_applied(3)

    assert (second, followed.versions()) == (all_of(2), all_of(3))


def test_on_either_database_the_new_jobs_of_a_swapped_config_map_run(workplace: "Workplace") -> None:
    file = workplace.folder / "conf" / "jobs.yaml"
    file.parent.mkdir()
    swapped_by_the_kubelet(file, version(1))
    followed = follow(workplace, "conf/jobs.yaml")

    swapped_by_the_kubelet(file, version(2) + "  new: {command: ['true'], every: 1s}\n")

    followed.has_applied(2)
    assert workplace.wait_for_run("new", RunState.SUCCEEDED)[0].generation == 2


def test_a_folder_reached_through_a_link_may_be_another_one_afterwards(place: "Workplace") -> None:
    for number in (1, 2, 3):
        (place.folder / f"release-{number}").mkdir()
        (place.folder / f"release-{number}" / "jobs.yaml").write_text(version(number))
    current = place.folder / "current"
    current.symlink_to("release-1")
    followed = follow(place, "current/jobs.yaml")

    for number in (2, 3):
        link = place.folder / "next"
        link.symlink_to(f"release-{number}")
        link.replace(current)
        followed.has_applied(number)
    (place.folder / "release-3" / "jobs.yaml").write_text(version(4))

    followed.has_applied(4)
    assert followed.versions() == all_of(4)


# -- what makes no generation


def test_a_touched_or_rewritten_file_of_the_same_content_makes_no_generation(place: "Workplace") -> None:
    place.write(version(1))
    followed = follow(place)

    os.utime(place.file)
    followed.node.wait_for_log("nothing has changed")
    place.write(version(1))
    followed.node.wait_for_log("nothing has changed", times=2)

    assert len(place.client.generations()) == 1


def test_a_hundred_rewrites_a_second_end_with_the_last_content(place: "Workplace") -> None:
    place.write(version(1))
    followed = follow(place)

    never = threading.Event()
    for number in range(200):
        (renamed_over if number % 2 else written_in_place)(place.file, version(number + 2))
        never.wait(0.01)

    place.eventually(lambda: followed.versions() == all_of(201), "the last content")
    followed.settled()
    generations = len(place.client.generations())
    assert generations <= 4, followed.node.log
    assert generations == followed.node.log.count(" applied: ")


@pytest.mark.parametrize(
    "content", ["", "# nothing\n", "jobs: {}\nversion: 1\n", None], ids=["empty", "comment", "no jobs", "gone"]
)
def test_a_file_with_nothing_in_it_removes_nothing(place: "Workplace", content: str | None) -> None:
    place.write(version(1))
    followed = follow(place)

    if content is None:
        place.file.unlink()
    else:
        place.file.write_text(content)
    followed.node.wait_for_log("the last good state runs on")
    refused = followed.versions()
    place.write(version(2))
    followed.has_applied(2)

    assert (refused, followed.versions()) == (all_of(1), all_of(2))


# -- without the system's help


NO_INOTIFY = """
import errno, os
import watchdog.observers

class Observer:
    def __init__(self):
        raise OSError(errno.EMFILE, "inotify instance limit reached")

watchdog.observers.Observer = Observer
"""


def test_without_inotify_it_warns_once_and_polls(place: "Workplace") -> None:
    injected = place.folder / "injected"
    injected.mkdir()
    (injected / "sitecustomize.py").write_text(NO_INOTIFY)
    file = place.folder / "conf" / "jobs.yaml"
    file.parent.mkdir()
    link_led_elsewhere(file, version(1))
    path = os.pathsep.join([str(injected), *filter(None, [os.environ.get("PYTHONPATH")])])
    followed = Followed(place, place.start_node("conf/jobs.yaml", PYTHONPATH=path))

    for number in (2, 3):
        link_led_elsewhere(file, version(number))
        followed.has_applied(number)

    assert followed.versions() == all_of(3)
    assert followed.node.log.count("found by polling") == 1


# -- folders, and several paths


def test_files_of_a_folder_are_added_changed_and_removed(place: "Workplace") -> None:
    folder = place.folder / "jobs.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(version(1, prefix="a"))
    followed = follow(place, "jobs.d/")

    (folder / "b.yml").write_text(version(1, jobs=2, prefix="b"))
    followed.has_applied(2)
    (folder / "b.yml").write_text(version(2, jobs=2, prefix="b"))
    followed.has_applied(3)
    changed = followed.versions()
    (folder / "b.yml").unlink()
    followed.has_applied(4)

    assert changed == {**all_of(1, prefix="a"), **all_of(2, jobs=2, prefix="b")}
    assert followed.versions() == all_of(1, prefix="a")


def test_removing_the_file_of_most_jobs_is_refused_until_it_is_back(place: "Workplace") -> None:
    folder = place.folder / "jobs.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(version(1, prefix="a"))
    (folder / "b.yaml").write_text(version(1, jobs=2, prefix="b"))
    followed = follow(place, "jobs.d/")

    (folder / "a.yaml").unlink()
    followed.node.wait_for_log("would remove 8 of 10 jobs")
    refused = followed.versions()
    (folder / "a.yaml").write_text(version(2, prefix="a"))
    followed.has_applied(2)

    assert refused == {**all_of(1, prefix="a"), **all_of(1, jobs=2, prefix="b")}
    assert followed.versions() == {**all_of(2, prefix="a"), **all_of(1, jobs=2, prefix="b")}


def test_other_files_of_the_folder_are_not_ours(place: "Workplace") -> None:
    folder = place.folder / "jobs.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(version(1))
    followed = follow(place, "jobs.d/")

    for name in (".a.yaml.swp", ".hidden.yaml", "a.yaml~", "notes.txt"):
        (folder / name).write_text("not: [valid\n")
    (folder / "a.yaml").write_text(version(2))

    followed.has_applied(2)
    assert "not valid" not in followed.node.log


def test_a_git_checkout_of_300_files_is_one_generation(place: "Workplace") -> None:
    folder = place.folder / "repository"
    folder.mkdir()

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-b", "main")
    for number in (1, 2):
        for each in range(300):
            (folder / f"{each:03}.yaml").write_text(version(number, jobs=1, prefix=f"of-{each}"))
        git("add", ".")
        git("commit", "-m", f"version {number}")
        git("tag", f"v{number}")
    git("checkout", "v1")
    followed = follow(place, "repository/")

    git("checkout", "v2")
    followed.has_applied(2)

    assert set(followed.versions().values()) == {2}
    assert len(followed.versions()) == 300
    commit = subprocess.check_output(["git", "rev-parse", "v2"], cwd=folder, text=True).strip()
    assert place.client.generations()[0].commit == commit


def test_each_of_several_paths_is_followed(place: "Workplace") -> None:
    folder = place.folder / "jobs.d"
    folder.mkdir()
    (folder / "b.yaml").write_text(version(1, prefix="b"))
    place.write(version(1, prefix="a"))
    followed = follow(place, "jobs.yaml", "jobs.d")

    (folder / "b.yaml").write_text(version(2, prefix="b"))
    followed.has_applied(2)
    place.write(version(3, prefix="a"))
    followed.has_applied(3)

    assert followed.versions() == {**all_of(3, prefix="a"), **all_of(2, prefix="b")}


def test_a_path_that_is_not_there_yet_is_applied_once_it_is(place: "Workplace") -> None:
    place.write(version(1, prefix="a"))
    place.jobsched("sync")
    later = place.folder / "later" / "b.yaml"
    followed = Followed(place, place.start_node("--last-good", "jobs.yaml", "later/b.yaml"))

    later.parent.mkdir()
    later.write_text(version(1, prefix="b"))
    followed.has_applied(2)
    later.write_text(version(2, prefix="b"))
    followed.has_applied(3)

    assert followed.versions() == {**all_of(1, prefix="a"), **all_of(2, prefix="b")}
