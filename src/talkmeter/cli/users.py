"""`talkmeter users`: list, add, disable, enable, role, rename, limits, password, link."""

import sys
from typing import Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table
from talkmeter.cli.values import limit, limits_given, shown

USER = click.argument("user")
JSON = click.option("--json", "as_json", is_flag=True, help="For programs, as docs/page-api.md describes it.")
ROLE = click.Choice(["owner", "member"])
HEADS = ("name", "role", "state", "password", "rpm", "tpm", "created", "id")


@click.group()
def users() -> None:
    """Add people and say what they may do; USER is a name or an id."""


@users.command("list")
@JSON
@setting_options(*EVERYWHERE)
def list_users(*, as_json: bool, **flags: Any) -> None:
    """All users; the disabled ones too."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import all_users

    found = run(all_users(resolved(flags)))
    if as_json:
        say_json({"users": found})
        return
    say_table(HEADS, [_row(user) for user in found])


@users.command("add")
@click.argument("name")
@click.option("--role", type=ROLE, default="member", show_default=True, help="What they may do.")
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute.")
@click.option("--tpm", type=click.IntRange(1), help="Tokens a minute.")
@JSON
@setting_options(*EVERYWHERE)
def add_user(name: str, *, role: str, rpm: int | None, tpm: int | None, as_json: bool, **flags: Any) -> None:
    """Add a user called NAME; `talkmeter users link` lets them in."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import add_user as adding

    user = run(adding(resolved(flags), name, role=role, rpm=rpm, tpm=tpm))
    if as_json:
        say_json(user)
        return
    say(f"{user['name']} ({user['id']}) is added as {_a(user['role'])}.")
    say(f"A link for the first sign-in: talkmeter users link '{user['name']}'")


@users.command()
@USER
@setting_options(*EVERYWHERE)
def disable(user: str, **flags: Any) -> None:
    """Sign USER out and stop their keys, at once; rooms and figures stay."""
    changed = _change(flags, user, disabled=True)
    say(f"{changed['name']} is disabled: signed out, and their keys open nothing.")


@users.command()
@USER
@setting_options(*EVERYWHERE)
def enable(user: str, **flags: Any) -> None:
    """Let USER in again; keys that were not revoked work again."""
    say(f"{_change(flags, user, disabled=False)['name']} is enabled.")


@users.command()
@USER
@click.argument("role", type=ROLE)
@setting_options(*EVERYWHERE)
def role(user: str, role: str, **flags: Any) -> None:
    """Make USER an owner, who may do everything, or a member."""
    say(f"{_change(flags, user, role=role)['name']} is {_a(role)}.")


@users.command()
@USER
@click.argument("name")
@setting_options(*EVERYWHERE)
def rename(user: str, name: str, **flags: Any) -> None:
    """Call USER by another NAME."""
    say(f"{user} is called {_change(flags, user, name=name)['name']}.")


@users.command()
@USER
@click.option("--rpm", callback=limit, metavar="N|none", help="Requests a minute over all that the user does.")
@click.option("--tpm", callback=limit, metavar="N|none", help="Tokens a minute over all that the user does.")
@setting_options(*EVERYWHERE)
def limits(user: str, *, rpm: Any, tpm: Any, **flags: Any) -> None:
    """Set how much USER may do in a minute."""
    changed = _change(flags, user, **limits_given(rpm=rpm, tpm=tpm))
    requests, tokens = (changed[name] or "any number of" for name in ("rpm", "tpm"))
    say(f"{changed['name']}: {requests} requests and {tokens} tokens a minute.")


@users.command()
@USER
@click.option("--remove", is_flag=True, help="Remove the password; sign-in links still work.")
@setting_options(*EVERYWHERE)
def password(user: str, *, remove: bool, **flags: Any) -> None:
    """Set USER's password; asked for twice, or one line from standard input."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import set_user_password

    changed = run(set_user_password(resolved(flags), user, None if remove else asked_password()))
    say(f"The password of {changed['name']} is {'removed' if remove else 'set'}; all their browsers are signed out.")


@users.command()
@USER
@setting_options(*EVERYWHERE, "port")
def link(user: str, **flags: Any) -> None:
    """Print a link that signs USER in once, within three days."""
    from talkmeter.app.administration import run
    from talkmeter.app.people import invite

    say(run(invite(resolved(flags), user))[0])


def asked_password() -> str:
    """From the terminal, twice, or one line from standard input."""
    if sys.stdin.isatty():
        chosen: str = click.prompt("New password", hide_input=True, confirmation_prompt="Once more")
        return chosen
    return sys.stdin.readline().rstrip("\r\n")


def _change(flags: dict[str, Any], user: str, **changes: Any) -> dict[str, Any]:
    from talkmeter.app.administration import run
    from talkmeter.app.people import change_user

    return run(change_user(resolved(flags), user, **changes))


def _row(user: dict[str, Any]) -> tuple[Any, ...]:
    state = "enabled" if user["disabled_at"] is None else f"disabled {shown(user['disabled_at'])}"
    has_password = "yes" if user["has_password"] else "no"
    fields = (user["rpm"], user["tpm"], shown(user["created_at"]), user["id"])
    return (user["name"], user["role"], state, has_password, *fields)


def _a(role: str) -> str:
    return "an owner" if role == "owner" else "a member"
