"""Reading files must stay quick: nothing heavy is imported for it."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "alembic", "watchdog", "rich", "croniter", "subprocess")


def test_loading_imports_nothing_heavy(tmp_path: object) -> None:
    script = f"import sys, jobsched.config.load; print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
