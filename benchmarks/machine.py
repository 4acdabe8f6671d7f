"""On what it was measured, and with what: the head of the report."""

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import ROOT

NODE_PEERS = ROOT / "benchmarks" / "peers" / "node"
PEERS = ("pgqueuer", "procrastinate", "chancy", "dbos", "absurd-sdk", "huey", "apscheduler")


def described(databases: str, *, quick: bool) -> list[str]:
    """Lines of Markdown. The load is that before anything was measured."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}, by `{'make bench-quick' if quick else 'make bench'}`.",
        f"{os.cpu_count()} cores ({processor()}), {memory:.0f} GiB, {platform.system()} {platform.release()}, load before it {load}.",
        f"Python {platform.python_version()}; {databases}.",
    ]


def peers(*, python: bool, node: bool) -> list[str]:
    """What stands beside it, as pinned."""
    found: list[str] = []
    if python:
        pins = dict(
            re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / "bench.txt").read_text(), re.MULTILINE)
        )
        found += [f"{name} {pins[name]}" for name in PEERS]
    if node:
        wanted = json.loads((NODE_PEERS / "package.json").read_text())["dependencies"]
        found += [f"{name} {version}" for name, version in wanted.items() if name != "pg"]
    said = f"Beside it: {', '.join(found)}." if found else "No peer is measured: `make bench` installs them."
    return [said] if node else [said, "Peers of node's world are left out: there is no node with what they need."]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
