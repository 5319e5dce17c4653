"""Talkmeter: a self-hosted ChatGPT workspace whose ledger accounts for every token."""

__version__ = "0.1.0"
