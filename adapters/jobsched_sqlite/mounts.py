"""Which file system a path lies on: a database in WAL mode needs memory that all its processes share, so one machine."""

from pathlib import Path

from jobsched.errors import StoreError

MOUNTINFO = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
    }
)


def refuse_network(path: Path, mountinfo: Path = MOUNTINFO) -> None:
    """Raises StoreError if the path lies on a network file system. Where there is no list of mounts, nothing is known."""
    try:
        text = mountinfo.read_text(errors="surrogateescape")
    except OSError:
        return
    point, kind = _mount_of(path.resolve(), text)
    if kind in _NETWORK:
        raise StoreError(
            f"{path} lies on a network file system ({kind} at {point}), where SQLite loses data; "
            f"put it on a local disk, or use PostgreSQL for several machines"
        )


def _mount_of(path: Path, mountinfo: str) -> tuple[str, str]:
    """The deepest mount above the path; of several at one place, the last one is the one that is seen."""
    found = ("/", "")
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind:
            continue
        point = _unescaped(fields[4])
        if len(point) >= len(found[0]) and path.is_relative_to(point):
            found = (point, kind[0])
    return found


def _unescaped(point: str) -> str:
    """The kernel writes blanks, tabs, newlines and backslashes in octal."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(octal, character)
    return point
