"""`talkmeter budgets`: list, show, add, change, delete."""

from typing import TYPE_CHECKING, Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table

if TYPE_CHECKING:
    from talkmeter.metering.budgets import Standing

SCOPES = ("key", "user", "room", "tag", "provider")
PERIODS = ("day", "week", "month", "total", "request")
FIGURES = ("amount", "spent", "reserved", "left")
JSON = click.option("--json", "as_json", is_flag=True, help="For programs, as docs/page-api.md describes it.")


@click.group()
def budgets() -> None:
    """Show and change budgets: what may be spent, by whom, in which time. See docs/budgets.md."""


@budgets.command("list")
@JSON
@setting_options(*EVERYWHERE)
def list_budgets(*, as_json: bool, **flags: Any) -> None:
    """All budgets, and how they stand."""
    from talkmeter.app.administration import run
    from talkmeter.app.budgets import shown_as_json, standings

    found = run(standings(resolved(flags)))
    if as_json:
        say_json({"budgets": [shown_as_json(*each) for each in found]})
        return
    if not found:
        say('No budgets yet; `talkmeter budgets add NAME "5 USD" --period day` makes one.')
        return
    rows = []
    for each, named in found:
        budget = each.budget
        figures = (budget.amount, each.spent, each.reserved, each.remaining)
        shown = [_amount(each, figure) for figure in figures]
        rows.append((budget.name, _scope(each, named), budget.period, *shown, _kind(each), budget.id))
    say_table(("name", "for", "period", *FIGURES, "kind", "id"), rows, right=FIGURES)


@budgets.command("show")
@click.argument("budget", metavar="NAME|ID")
@JSON
@setting_options(*EVERYWHERE)
def show_budget(budget: str, *, as_json: bool, **flags: Any) -> None:
    """One budget in full."""
    from talkmeter.app.administration import run
    from talkmeter.app.budgets import shown_as_json, standings

    settings = resolved(flags)
    ((each, named),) = run(standings(settings, budget))
    if as_json:
        say_json(shown_as_json(each, named))
        return
    for name, value in (
        ("name", each.budget.name),
        ("id", each.budget.id),
        ("for", _scope(each, named)),
        ("kind", _kind(each)),
        ("period", each.budget.period),
        ("amount", _amount(each, each.budget.amount)),
        ("spent", _amount(each, each.spent)),
        ("reserved", _amount(each, each.reserved)),
        ("left", _amount(each, each.remaining)),
        ("begins anew", _resets(each, settings.get("time_zone"))),
    ):
        say(f"{name:<12} {value}")


@budgets.command("add")
@click.argument("name")
@click.argument("amount", metavar="AMOUNT")
@click.option("--period", type=click.Choice(PERIODS), default="month", show_default=True, help="When it begins anew.")
@click.option("--key", metavar="NAME|ID", help="Only for calls with this key.")
@click.option("--user", metavar="NAME|ID", help="Only for calls of this user.")
@click.option("--room", metavar="ID", help="Only for calls of this room; its id or conversation_id.")
@click.option("--tag", help="Only for calls with this tag.")
@click.option("--provider", metavar="NAME|ID", help="Only for calls to this provider.")
@click.option("--soft", is_flag=True, help="Warn, but refuse nothing.")
@setting_options(*EVERYWHERE)
def add_budget(name: str, amount: str, *, period: str, soft: bool, **options: Any) -> None:
    """Add a budget, such as `team "5 USD" --period day`. AMOUNT is money or tokens (`2000000 tokens`)."""
    from talkmeter.app.administration import run
    from talkmeter.app.budgets import add_budget as adding

    given = {scope: value for scope in SCOPES if (value := options.pop(scope)) is not None}
    if len(given) > 1:
        raise click.UsageError("A budget is for one thing: give one of --key, --user, --room, --tag and --provider.")
    scope, scope_id = next(iter(given.items()), ("instance", None))
    fields: dict[str, Any] = {"scope": scope, "scope_id": scope_id, "period": period, "hard": not soft}
    budget = run(adding(resolved(options), name=name, amount=amount, **fields))
    say(f"{budget.name} ({budget.id}) is added.")


@budgets.command("change")
@click.argument("budget", metavar="NAME|ID")
@click.option("--name", help="Another name.")
@click.option("--amount", help="Another amount, in the same unit.")
@click.option("--hard/--soft", "hard", default=None, help="Refuse what could exceed it, or only warn.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it counts at all.")
@setting_options(*EVERYWHERE)
def change_budget(
    budget: str, *, name: str | None, amount: str | None, hard: bool | None, enabled: bool | None, **flags: Any
) -> None:
    """Change a budget, effective at once; what it has counted stays."""
    from talkmeter.app.administration import run
    from talkmeter.app.budgets import change_budget as changing

    given = {"name": name, "amount": amount, "hard": hard, "enabled": enabled}
    if all(value is None for value in given.values()):
        raise click.UsageError("Nothing to change: give --name, --amount, --hard, --soft, --enable or --disable.")
    changed = run(changing(resolved(flags), budget, given))
    say(f"{changed.name} ({changed.id}) is changed.")


@budgets.command("delete")
@click.argument("budget", metavar="NAME|ID")
@setting_options(*EVERYWHERE)
def delete_budget(budget: str, **flags: Any) -> None:
    """Delete a budget and what it has counted; the ledger stays."""
    from talkmeter.app.administration import run
    from talkmeter.app.budgets import delete_budget as deleting

    deleted = run(deleting(resolved(flags), budget))
    say(f"{deleted.name} ({deleted.id}) is deleted.")


def _amount(standing: "Standing", figure: int) -> str:
    from talkmeter.metering.amounts import amount_text

    return amount_text(standing.budget.unit, figure)


def _scope(standing: "Standing", named: str | None) -> str:
    budget = standing.budget
    if budget.scope_id is None:
        return "everything"
    return f"{budget.scope} {named}" if named is not None else f"{budget.scope} {budget.scope_id} (not there)"


def _kind(standing: "Standing") -> str:
    kind = "hard" if standing.budget.hard else "soft"
    return kind if standing.budget.enabled else f"{kind}, off"


def _resets(standing: "Standing", zone: str) -> str:
    from zoneinfo import ZoneInfo

    from talkmeter.metering.periods import iso

    return "never" if standing.resets_at is None else iso(standing.resets_at, ZoneInfo(zone))
