"""`talkmeter usage` and `talkmeter calls export`: the ledger for people and for other programs."""

import contextlib
import os
import sys
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
    "surface": ("--surface", "Only through this door."),
    "tag": ("--tag", "Only with this tag."),
    "end_user": ("--end-user", "Only for this end user."),
}
SURFACES = ("web", "openai", "ask", "websocket", "grpc")
FORMS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
HEADS = ("calls", "prompt", "completion", "US$", "unpriced", "unknown", "open")


def filter_options(function: F) -> F:
    for name, (flag, text) in reversed(FILTERS.items()):
        kind = click.Choice(SURFACES) if name == "surface" else str
        function = click.option(flag, name, type=kind, help=text)(function)
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
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "ndjson"]),
    help="Else by the end of FILE's name: .csv, .ndjson or .jsonl.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@filter_options
@setting_options(*EVERYWHERE)
def export(file: Path, *, form: str | None, force: bool, first: str | None, last: str | None, **options: Any) -> None:
    """Write calls to FILE, newest first, with exact money and where each figure comes from.

    FILE may be - for standard output, where --format is csv unless it is given.
    """
    from talkmeter.app.administration import run
    from talkmeter.app.ledger import export_calls

    piped = str(file) == "-"
    form = form or ("csv" if piped else FORMS.get(file.suffix.lower()))
    if form is None:
        text = f"The end of {file.name!r} says no form: it is .csv, .ndjson or .jsonl, or --format says csv or ndjson."
        raise click.BadParameter(text, param_hint="FILE")
    if not piped and not force and file.exists():
        raise click.BadParameter(f"{file} is there already; --force replaces it.", param_hint="FILE")
    given = {name: options.pop(name) for name in FILTERS}
    settings = resolved(options)

    def write(into: Callable[[bytes], Any]) -> None:
        run(export_calls(settings, into, form, (first, last), given))

    if piped:
        out = sys.stdout.buffer
        try:
            write(out.write)
            out.flush()
        except BrokenPipeError:  # whoever reads it has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return
    _write_whole(file, write)
    say(f"{file}: {file.stat().st_size:,} bytes.")


def _write_whole(file: Path, write: Callable[[Callable[[bytes], Any]], None]) -> None:
    """The file appears when it is whole, and only its owner may read it."""
    partial = file.with_name(f"{file.name}.part")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing:  # noqa: PTH123 (with a mode)
            write(writing.write)
        partial.replace(file)
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


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
