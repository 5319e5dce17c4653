"""Tables for people and JSON for programs."""

import sys
from collections.abc import Sequence
from typing import Any

from talkmeter.cli.options import say

PIPE_WIDTH = 200  # columns, so that nothing is folded for another program


def say_json(value: Any) -> None:
    import json

    say(json.dumps(value, ensure_ascii=False, indent=2))


def say_table(heads: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """None and "" are empty cells. What people have named is never taken for markup. right: heads over figures."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    for head in heads:
        table.add_column(head, overflow="fold", justify="right" if head in right else "left")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
