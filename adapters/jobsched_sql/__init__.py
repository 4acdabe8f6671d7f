"""Access to SQL shared by the adapters: tables, rows, statements, migrations."""
