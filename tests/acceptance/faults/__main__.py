"""The full fault suite: the tests behind each row of docs/reliability.md, and that table again with what came of it."""

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_ROW = re.compile(r"^\| (\d+) \| (.*?) \| .*<!-- (.*?) --> \|$", re.MULTILINE)


@dataclass
class Case:
    number: int
    fault: str
    tests: list[str]
    outcomes: list[str] = field(default_factory=list)
    injected: int = 0

    @property
    def outcome(self) -> str:
        return next((one for one in ("FAILED", "held", "skipped") if one in self.outcomes), "NOT RUN")


class Outcomes:
    """What became of each test, over all its parameters."""

    def __init__(self, cases: list[Case]) -> None:
        self._cases = defaultdict(list)
        for case in cases:
            for test in case.tests:
                self._cases[test].append(case)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = re.sub(r"\[.*", "", report.nodeid.rpartition("::")[2])
        if report.when != "call" and report.passed:
            if report.when == "teardown":
                self._count(test, dict(report.user_properties))
            return
        for case in self._cases[test]:
            case.outcomes.append("FAILED" if report.failed else "skipped" if report.skipped else "held")

    def _count(self, test: str, properties: dict[str, object]) -> None:
        for case in self._cases[test]:
            # Where a test does not say, it makes its fault once.
            case.injected += int(str(properties.get("injected", 1)))


def read_cases() -> list[Case]:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return [Case(int(number), fault, tests.split()) for number, fault, tests in _ROW.findall(page)]


def main() -> int:
    cases = read_cases()
    names = sorted({test for case in cases for test in case.tests})
    chosen = ["-m", "", "-q", "-k", " or ".join(names), *sys.argv[1:], "tests"]
    code = pytest.main(chosen, plugins=[Outcomes(cases)])
    width = max(len(case.fault) for case in cases)
    print(f"\n{'CASE':>4}  {'FAULT':{width}}  MADE  OUTCOME")
    for case in cases:
        print(f"{case.number:4}  {case.fault:{width}}  {case.injected:4}  {case.outcome}")
    return int(code) or int(any(case.outcome in {"FAILED", "NOT RUN"} for case in cases))


if __name__ == "__main__":
    sys.exit(main())
