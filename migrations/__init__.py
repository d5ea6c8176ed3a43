"""Alembic revisions. Each creates its tables together with their policies and grants (design.md 2)."""
