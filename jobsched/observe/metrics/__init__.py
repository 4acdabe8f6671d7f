"""Metrics: what is measured (`declared`), of a node (`tally`, `node`) and of a database (`database`), and its text (`exposition`)."""
