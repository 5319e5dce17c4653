"""Settings: one described table, and the order in which their values are found."""

from talkmeter.config.resolving import BY_NAME, FILE_NAME, TABLE, Resolved, Value, resolve, unknown_variables
from talkmeter.config.setting import Kind, Setting, Source
from talkmeter.config.table import GROUPS

__all__ = [
    "BY_NAME",
    "FILE_NAME",
    "GROUPS",
    "TABLE",
    "Kind",
    "Resolved",
    "Setting",
    "Source",
    "Value",
    "resolve",
    "unknown_variables",
]
