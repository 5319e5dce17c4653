"""Readers of what other programs have written; see docs/import.md. They write nothing, neither here nor there."""
