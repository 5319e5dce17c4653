"""`talkmeter keys`: list, show, create, rotate, revoke."""

from typing import Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table
from talkmeter.cli.values import duration, moment, shown, words_of

KEY = click.argument("key")
JSON = click.option("--json", "as_json", is_flag=True, help="For programs, as docs/page-api.md describes it.")
HEADS = ("name", "user", "state", "models", "doors", "expires", "last used", "hint", "id")


@click.group()
def keys() -> None:
    """Make and revoke API keys; KEY is an id, a hint or a name."""


@keys.command("list")
@click.option("--user", help="Only this user's; a name or an id.")
@JSON
@setting_options(*EVERYWHERE)
def list_keys(*, user: str | None, as_json: bool, **flags: Any) -> None:
    """All keys; the revoked and expired ones too."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import all_keys

    found = run(all_keys(resolved(flags), user))
    if as_json:
        say_json({"keys": found})
    elif found:
        say_table(HEADS, [_row(key) for key in found])
    else:
        say("No API keys yet; `talkmeter keys create NAME` makes one.")


@keys.command()
@KEY
@JSON
@setting_options(*EVERYWHERE)
def show(key: str, *, as_json: bool, **flags: Any) -> None:
    """All about KEY but its token, which nothing can show again."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import one_key

    found = run(one_key(resolved(flags), key))
    if as_json:
        say_json(found)
        return
    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    everything = {
        **found,
        **{name: shown(found[name]) for name in moments},
        "models": _all_or(found["models"]),
        "doors": _all_or(found["doors"]),
    }
    say_table(("", ""), [(name, value) for name, value in everything.items() if value not in (None, "")])


@keys.command()
@click.argument("name")
@click.option("--user", default="owner", show_default=True, help="Whose it is; a name or an id.")
@click.option("--models", help="Only these, by commas; a * at the end stands for any rest.")
@click.option("--doors", help="Only these of openai, ask, websocket, grpc; by commas.")
@click.option("--expires", callback=moment, metavar="30d|DATE", help="After so long, or at the end of a day (UTC).")
@click.option(
    "--disconnect",
    type=click.Choice(["drain", "cut"]),
    default="drain",
    show_default=True,
    help="When a reader leaves: read on for the exact bill, or cut.",
)
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute.")
@click.option("--tpm", type=click.IntRange(1), help="Tokens a minute.")
@JSON
@setting_options(*EVERYWHERE)
def create(name: str, *, user: str, as_json: bool, **options: Any) -> None:
    """Make a key called NAME. Its token is printed this once, alone on standard output."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import create_key

    fields = {each: options.pop(each) for each in ("disconnect", "rpm", "tpm")}
    fields |= {each: words_of(options.pop(each)) for each in ("models", "doors")}
    fields["expires_at"] = options.pop("expires")
    _say_token(*run(create_key(resolved(options), user, name=name, **fields)), as_json=as_json)


@keys.command()
@KEY
@click.option(
    "--overlap", callback=duration, metavar="12h", default="1h", show_default=True, help="How long the old one goes on."
)
@JSON
@setting_options(*EVERYWHERE)
def rotate(key: str, *, overlap: int, as_json: bool, **flags: Any) -> None:
    """Make a key in place of KEY that may do the same; the old one ends after the overlap."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import rotate_key

    _say_token(*run(rotate_key(resolved(flags), key, overlap)), as_json=as_json)


@keys.command()
@KEY
@setting_options(*EVERYWHERE)
def revoke(key: str, **flags: Any) -> None:
    """End KEY now and for ever, also in servers that run elsewhere."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import revoke_key

    found = run(revoke_key(resolved(flags), key))
    say(f"{found['name']} ({found['id']}, {found['hint']}) is revoked.")


def _say_token(key: dict[str, Any], token: str, *, as_json: bool) -> None:
    """The token alone on standard output, so that `TOKEN=$(…)` holds nothing else."""
    if as_json:
        say_json({"key": key, "token": token})
        return
    ends = "" if key["expires_at"] is None else f", until {shown(key['expires_at'])} UTC"
    click.echo(f"{key['name']} ({key['id']}) for {key['user_name']}{ends}. Its token, shown this once:", err=True)
    say(token)


def _row(key: dict[str, Any]) -> tuple[Any, ...]:
    bounds = (_all_or(key["models"]), _all_or(key["doors"]), shown(key["expires_at"]), shown(key["last_used_at"]))
    return (key["name"], key["user_name"], key["state"], *bounds, key["hint"], key["id"])


def _all_or(names: list[str] | tuple[str, ...] | None) -> str:
    return "all" if names is None else ", ".join(names)
