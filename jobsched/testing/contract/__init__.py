"""The chapters of the store contract; `jobsched.testing.store_contract` binds them into one suite."""

from pkgutil import iter_modules

import pytest

# Before the chapters are imported, so that a failed assertion of theirs says what it saw.
pytest.register_assert_rewrite(*(f"{__name__}.{chapter.name}" for chapter in iter_modules(__path__)))
