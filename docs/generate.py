"""Writes the references, docs/jobs-yaml.md, docs/cli.md and docs/metrics.md, from the models and the commands themselves: `make reference`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from reference import cli, jobs_yaml, metrics

PAGES = {"jobs-yaml.md": jobs_yaml.page, "cli.md": cli.page, "metrics.md": metrics.page}


def main() -> None:
    for name, page in PAGES.items():
        (Path(__file__).parent / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
