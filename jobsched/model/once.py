"""What is to be made once, however often it is asked for: an idempotency key, and what was made and answered under it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

#: So long a key stands for what was made under it; then it may be used anew.
KEY_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A key of whoever asks, and a digest of what is asked for: the same key for something else is an error of theirs."""

    namespace: str
    key: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOnce:
    """What stands under a key. `made`: the ids of runs, or the name of a job; `answer`: None until one was kept."""

    request: str
    made: Mapping[str, Any]
    answer: Any = None
