"""A declarative job scheduler and durable queue. Public names; see README.md."""

from jobsched._version import __version__

__all__ = ["__version__"]
