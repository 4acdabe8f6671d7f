"""SQLite behind the store port."""
