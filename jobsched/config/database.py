"""The database that a file's settings name, with its variables resolved."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from jobsched.config import variables
from jobsched.model.desired import DesiredState

_SQLITE = "sqlite:///"


def database_url(state: DesiredState, environ: Mapping[str, str]) -> str | None:
    """None where the files are silent. Raises MissingVariableError.

    A relative SQLite path is relative to the file that says so; one that comes whole from a variable is
    relative to the working directory, as anywhere else outside of a file.
    """
    written = state.settings.database
    if written is None:
        return None
    url = variables.resolve(written, environ)
    return url if variables.is_from_environment(written, environ) else _beside(url, state.settings_file)


def _beside(url: str, file: str | None) -> str:
    path, mark, query = url.removeprefix(_SQLITE).partition("?")
    if not url.startswith(_SQLITE) or file is None or not path or path.startswith(("/", "~", ":memory:", "file:")):
        return url
    # The folder is no part of what was written as a URL: what it has of `%2F` or `?` is its name.
    folder = quote(str(Path(file).resolve().parent))
    return f"{_SQLITE}{folder}/{path}{mark}{query}"
