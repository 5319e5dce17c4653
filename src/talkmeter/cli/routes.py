"""`talkmeter routes`: list, add, change, delete."""

from typing import TYPE_CHECKING, Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table

if TYPE_CHECKING:
    from talkmeter.accounts.routes import ModelRoute

RETRIES = click.IntRange(0, 5)


@click.group()
def routes() -> None:
    """Show and change which providers answer to a model's name."""


@routes.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs, as docs/page-api.md describes it.")
@setting_options(*EVERYWHERE)
def list_routes(*, as_json: bool, **flags: Any) -> None:
    """All routes; what none fits goes to the provider that lists the model."""
    from talkmeter.app.administration import run
    from talkmeter.app.model_routes import all_routes

    found = run(all_routes(resolved(flags)))
    if as_json:
        from msgspec import to_builtins

        say_json({"routes": [to_builtins(route) for route, _ in found]})
    elif found:
        rows = [(one.pattern, targets, one.retries, "" if one.enabled else "off", one.id) for one, targets in found]
        say_table(("model", "goes to, in this order", "retries", "", "id"), rows)
    else:
        say("No routes yet; `talkmeter routes add fast OpenAI/gpt-4o-mini` makes one.")


@routes.command("add")
@click.argument("pattern")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--retries", type=RETRIES, default=0, show_default=True, help="How often all targets are tried again.")
@setting_options(*EVERYWHERE)
def add_route(pattern: str, targets: tuple[str, ...], retries: int, **flags: Any) -> None:
    """Add a route for PATTERN: a name, or the beginning of names before a *.

    TARGET is PROVIDER/MODEL, PROVIDER/ for the same name, or a model; tried in this order.
    """
    from talkmeter.app.administration import run
    from talkmeter.app.model_routes import add_route as adding

    made = run(adding(resolved(flags), pattern, targets, retries))
    say(f"{made.pattern} ({made.id}) is added.")
    _note(made)


@routes.command("change")
@click.argument("route", metavar="PATTERN|ID")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@click.option("--retries", type=RETRIES, help="How often all targets are tried again.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it counts at all.")
@setting_options(*EVERYWHERE)
def change_route(
    route: str, targets: tuple[str, ...], *, retries: int | None, enabled: bool | None, **flags: Any
) -> None:
    """Change a route, effective at once."""
    from talkmeter.app.administration import run
    from talkmeter.app.model_routes import change_route as changing

    if not targets and retries is None and enabled is None:
        raise click.UsageError("Nothing to change: give targets, --retries, --enable or --disable.")
    changed = run(changing(resolved(flags), route, targets, retries, enabled))
    say(f"{changed.pattern} ({changed.id}) is changed.")
    if targets:
        _note(changed)


@routes.command("delete")
@click.argument("route", metavar="PATTERN|ID")
@setting_options(*EVERYWHERE)
def delete_route(route: str, **flags: Any) -> None:
    """Delete a route."""
    from talkmeter.app.administration import run
    from talkmeter.app.model_routes import delete_route as deleting

    deleted = run(deleting(resolved(flags), route))
    say(f"{deleted.pattern} ({deleted.id}) is deleted.")


def _note(route: "ModelRoute") -> None:
    """A model's name may have a slash, so what could be a typing error is only pointed out."""
    from talkmeter.app.model_routes import models_with_slashes

    for model in models_with_slashes(route):
        name = model.partition("/")[0]
        click.echo(f"Note: no provider is called {name}, so all of {model} is taken for a model's name.", err=True)
