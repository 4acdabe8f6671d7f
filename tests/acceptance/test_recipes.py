"""The programs of docs/recipes.md, each with the framework that it is written for, in a process of its own."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.acceptance.shown_files import files_of, run_pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def test_the_programs_of_sqlalchemy_flask_and_fastapi_pass_their_tests(tmp_path: Path) -> None:
    names = files_of(PAGE, tmp_path)

    # Starlette's client is about to go from one library to its successor; the page uses neither.
    code, output = run_pytest(tmp_path, ignoring="ignore:Using .httpx. with")

    assert {name for name in names if name.startswith("test_")} == {"test_orders.py", "test_web.py", "test_api.py"}
    assert (code, "4 passed" in output) == (0, True), output


SETTINGS = """
import os
from urllib.parse import urlsplit

JOBSCHED_DATABASE_URL = os.environ["JOBSCHED_DATABASE_URL"]
if JOBSCHED_DATABASE_URL.startswith("sqlite"):
    default = {"ENGINE": "django.db.backends.sqlite3", "NAME": JOBSCHED_DATABASE_URL.removeprefix("sqlite:///")}
else:
    import psycopg
    parts = psycopg.conninfo.conninfo_to_dict(JOBSCHED_DATABASE_URL)
    default = {"ENGINE": "django.db.backends.postgresql", "NAME": parts["dbname"], "USER": parts["user"]}
    default |= {"HOST": parts["host"], "PASSWORD": parts.get("password", ""), "PORT": parts.get("port", "")}
DATABASES = {"default": default}
INSTALLED_APPS = ["shop.apps.ShopConfig"]
SECRET_KEY = "of the tests"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
MODELS = """
from django.db import models

class Order(models.Model):
    what = models.TextField()
    confirmed = models.BooleanField(default=False)
"""
PLACE = """
import django
django.setup()
from django.db import connection, transaction
from jobsched.errors import EnqueueError
from shop.jobs import client, confirm, place_order
from shop.models import Order

with connection.schema_editor() as editor:
    editor.create_model(Order)
try:
    with transaction.atomic():
        place_order("a hat")
        raise LookupError("out of hats")
except LookupError:
    assert Order.objects.count() == 0
place_order("a coat")
try:
    confirm.options(connection=connection.connection).enqueue(client(), order=7)
except EnqueueError as error:
    print(error)
client().close()
"""


def test_django_enqueues_within_atomic_and_its_command_performs(workplace: "Workplace") -> None:
    files_of(PAGE, workplace.folder)
    shop = workplace.folder / "shop"
    for folder in (shop, shop / "management", shop / "management" / "commands"):
        (folder / "__init__.py").touch()
    (shop / "settings.py").write_text(SETTINGS)
    (shop / "models.py").write_text(MODELS)
    workplace.client.store.migrate()
    environment = workplace.environment(DJANGO_SETTINGS_MODULE="shop.settings", PYTHONWARNINGS="error")

    placed = subprocess.run(
        [sys.executable, "-c", PLACE], cwd=workplace.folder, env=environment, capture_output=True, text=True, timeout=60
    )

    assert placed.returncode == 0, placed.stderr
    assert "commits by itself" in placed.stdout
    [made] = workplace.client.runs()
    node = subprocess.Popen(
        [sys.executable, "-m", "django", "run_jobs", "--threads", "2"], cwd=workplace.folder, env=environment
    )
    try:
        assert workplace.client.wait(made.id, timedelta(seconds=60)).result == "a coat"
        node.send_signal(signal.SIGTERM)
        assert node.wait(60) == 0
    finally:
        node.kill()
        node.wait()
