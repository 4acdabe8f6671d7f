"""The scripts, oldest first; alembic finds them by their revisions."""
