"""Talkmeter's gateway beside other gateways: a fake upstream, a load, and the accounts of both."""
