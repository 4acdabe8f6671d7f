"""Alembic's scripts: numbered, forward, and never edited once released."""
