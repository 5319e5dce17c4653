"""Reconciliation: the ledger held against the provider's own books. docs/reconcile.md explains it."""
