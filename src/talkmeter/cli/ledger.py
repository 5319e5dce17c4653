"""`talkmeter usage` and `talkmeter calls export`: the ledger for people and for other programs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table

F = TypeVar("F", bound=Callable[..., Any])

GROUPS = ("day", "model", "key", "user", "provider")
FILTERS = {
    "principal": ("--user", "Only of this user; a name or an id."),
    "key_id": ("--key", "Only with this API key; a name or an id."),
    "model": ("--model", "Only where this model was asked for."),
    "surface": ("--surface", "Only through this door, such as openai or web."),
    "tag": ("--tag", "Only with this tag."),
    "end_user": ("--end-user", "Only for this end user."),
}
HEADS = ("calls", "prompt", "completion", "US$", "unpriced", "unknown", "open")


def filter_options(function: F) -> F:
    for name, (flag, text) in reversed(FILTERS.items()):
        function = click.option(flag, name, help=text)(function)
    function = click.option("--to", "last", metavar="DAY", help="The last day, in the time zone of the settings.")(
        function
    )
    return click.option("--from", "first", metavar="DAY", help="The first day, such as 2026-11-28.")(function)


@click.command()
@click.option("--by", type=click.Choice(GROUPS), default="day", show_default=True, help="What each line is about.")
@click.option("--json", "as_json", is_flag=True, help="For programs; money in picodollars.")
@filter_options
@setting_options(*EVERYWHERE)
def usage(*, by: Any, as_json: bool, first: str | None, last: str | None, **options: Any) -> None:
    """What was used: calls, tokens and money by day, model, key, user or provider."""
    from talkmeter.app.administration import run
    from talkmeter.app.ledger import usage as reading
    from talkmeter.metering.usage_table import UsageRow, added

    given = {name: options.pop(name) for name in FILTERS}
    rows, names = run(reading(resolved(options), by, (first, last), given))
    if as_json:
        say_json({"by": by, "rows": [_as_json(row, names.get(row.name or "")) for row in rows]})
        return
    if not rows:
        say("No calls there.")
        return
    totals = rows[0].totals
    for row in rows[1:]:
        totals = added(totals, row.totals)
    shown = [_row(row, names.get(row.name or "")) for row in rows]
    say_table((by, *HEADS), [*shown, _row(UsageRow("all", totals), None)], right=HEADS)


@click.group()
def calls() -> None:
    """The calls in the ledger."""


@calls.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--format", "form", type=click.Choice(["csv", "ndjson"]), help="Else by the end of FILE's name.")
@filter_options
@setting_options(*EVERYWHERE)
def export(file: Path, *, form: str | None, first: str | None, last: str | None, **options: Any) -> None:
    """Write calls to FILE, newest first, with exact money and where each figure comes from."""
    from talkmeter.app.administration import run
    from talkmeter.app.ledger import export_calls

    form = form or ("ndjson" if file.suffix in (".ndjson", ".jsonl") else "csv")
    given = {name: options.pop(name) for name in FILTERS}
    partial = file.with_name(f"{file.name}.part")  # FILE appears when it is whole
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing:  # noqa: PTH123 (only its owner may read it)
        run(export_calls(resolved(options), writing.write, form, (first, last), given))
    partial.replace(file)
    say(f"{file}: {file.stat().st_size:,} bytes.")


def _row(row: Any, name: str | None) -> tuple[Any, ...]:
    from talkmeter.metering.cost import plain_dollars

    totals = row.totals
    rest = (totals.unpriced_calls, totals.unknown_calls, totals.open_calls)
    figures = (totals.calls, totals.prompt_tokens, totals.completion_tokens)
    return (
        name or row.name or "—",
        *(f"{figure:,}" for figure in figures),
        plain_dollars(totals.picodollars),
        *(f"{figure:,}" if figure else "" for figure in rest),
    )


def _as_json(row: Any, name: str | None) -> dict[str, Any]:
    from msgspec import structs

    totals = structs.asdict(row.totals)
    return {"id": row.name, "name": name or row.name, **totals, "picodollars": str(totals["picodollars"])}
