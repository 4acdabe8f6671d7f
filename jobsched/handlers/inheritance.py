"""Which of the node's variables a command inherits."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

#: Ours: the database's URL and tokens among them.
_OWN = "JOBSCHED_"


@dataclass(frozen=True, slots=True)
class Inheritance:
    """`passed`: names and patterns like `AWS_*`, PATH always; None: all. `withheld`: never, whatever is passed."""

    passed: tuple[str, ...] | None = None
    withheld: frozenset[str] = frozenset()

    def of(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if self._passes(name)}

    def _passes(self, name: str) -> bool:
        if name.startswith(_OWN) or name in self.withheld:
            return False
        return self.passed is None or name == "PATH" or any(fnmatchcase(name, each) for each in self.passed)


#: All but our own.
EVERYTHING = Inheritance()
