"""`talkmeter prices`: list, add, delete."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table
from talkmeter.wording import numbered

if TYPE_CHECKING:
    from talkmeter.metering.prices import PriceRow

PICODOLLARS = 10**12
UNITS = "input, cached_input, output, … (docs/prices.md)"


@click.group()
def prices() -> None:
    """Show and change prices; figures that are settled never change."""


@prices.command("list")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs, as docs/page-api.md describes it.")
@setting_options(*EVERYWHERE)
def list_prices(model: str | None, *, as_json: bool, **flags: Any) -> None:
    """Your own prices; with MODEL every row that its price may come from."""
    from talkmeter.app.administration import price_rows, run, shown_as_json

    rows = run(price_rows(resolved(flags), model))
    if as_json:
        say_json({"rows": [shown_as_json(row) for row in rows]})
        return
    if not rows:
        say(f"{model} is unpriced." if model else "No prices of your own; `talkmeter prices list gpt-4o` shows others.")
        return
    shown = [(row.id, dollars(row), f"{shown_per(row):,}", row.source) for row in rows]
    say_table(("id", "US$", "per", "source"), shown, right=("US$", "per"))


@prices.command("add")
@click.argument("model")
@click.argument("unit", metavar="UNIT")
@click.argument("usd", metavar="USD")
@click.option("--per", type=click.IntRange(1), default=1_000_000, show_default=True, help="So many units cost that.")
@click.option("--provider", default="*", show_default=True, help="A price list's name or a provider's host.")
@click.option("--tier", default="standard", show_default=True, help="standard, batch, flex or priority.")
@click.option(
    "--above", "band_from", type=click.IntRange(0), default=0, help="Only for prompts from so many tokens on."
)
@click.option("--from", "day", metavar="YYYY-MM-DD", help="The first day (UTC) of the price; else since ever.")
@click.option("--source", default="own", show_default=True, help="Where the figure comes from.")
@setting_options(*EVERYWHERE)
def add_price(model: str, unit: str, usd: str, day: str | None, **options: Any) -> None:
    """Add a price: MODEL UNIT USD, such as `llama3.3 output 0.60`. Unpriced entries are priced by it."""
    from talkmeter.app.administration import add_price as adding
    from talkmeter.app.administration import run
    from talkmeter.metering.prices import own_row

    fields = {name: options.pop(name) for name in ("per", "provider", "tier", "band_from", "source")}
    row = own_row(model=model, unit=unit, usd=usd, effective_from=_microseconds(day), **fields)
    filled = run(adding(resolved(options), row))
    say(f"{row.id}: {dollars(row)} US$ per {shown_per(row):,}.")
    if filled:
        say(f"Priced now: {numbered(filled, 'entry', 'entries')} that had no price.")


add_price.help = f"{add_price.help} UNIT is one of {UNITS}."


@prices.command("delete")
@click.argument("price_id")
@setting_options(*EVERYWHERE)
def delete_price(price_id: str, **flags: Any) -> None:
    """Delete a price of your own by its id; what it has priced stays priced."""
    from talkmeter.app.administration import delete_price as deleting
    from talkmeter.app.administration import run

    run(deleting(resolved(flags), price_id))
    say(f"{price_id} is deleted.")


def shown_per(row: "PriceRow") -> int:
    """Per million, as providers write it, where that is a whole number of the row's own unit."""
    return 1_000_000 if 1_000_000 % row.per == 0 else row.per


def dollars(row: "PriceRow") -> str:
    """Exactly, without an exponent and without needless zeros."""
    picodollars = row.picodollars * (shown_per(row) // row.per)
    whole, part = divmod(picodollars, PICODOLLARS)
    return f"{whole}.{part:012d}".rstrip("0").removesuffix(".")


def _microseconds(day: str | None) -> int:
    if day is None:
        return 0
    try:
        seconds = int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise click.BadParameter(f"{day!r} is not a day such as 2026-11-20.", param_hint="--from") from None
    if seconds < 0:
        text = f"{day} is before 1970; without --from a price counts since ever."
        raise click.BadParameter(text, param_hint="--from")
    return seconds * 1_000_000
