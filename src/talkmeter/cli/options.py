"""Options made from the table of settings, and errors printed for people."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from talkmeter.config import TABLE, Resolved, Setting, resolve, unknown_variables
from talkmeter.errors import SettingError, TalkmeterError

F = TypeVar("F", bound=Callable[..., Any])

SHORT = {"data_dir": "-d", "port": "-p"}
NEGATED = {"open_browser": "--open/--no-open"}
EVERYWHERE = ("data_dir", "config", "key_file")


def setting_options(*names: str) -> Callable[[F], F]:
    """Adds the options of these settings (all that have flags, without names) to a command."""
    chosen = [s for s in TABLE if s.flag and (not names or s.name in names)]

    def add(function: F) -> F:
        for setting in reversed(chosen):
            function = _option(setting)(function)
        return function

    return add


def resolved(flags: dict[str, Any]) -> Resolved:
    """The settings, from flags, environment and file. A variable that looks misspelt is pointed out."""
    for name, meant in unknown_variables(os.environ):
        click.echo(f"Note: {name} is no setting; did you mean {meant}?", err=True)
    return resolve(flags, os.environ)


def fail(error: TalkmeterError) -> int:
    """Prints what was wrong and what to do, in the reader's language; the exit status."""
    korean = reads_korean()
    click.secho(error.message_ko if korean else error.message, err=True, fg="red")
    hint = error.hint_ko if korean else error.hint
    if hint:
        click.echo(hint, err=True)
    return 2 if isinstance(error, SettingError) else 1


def reads_korean() -> bool:
    return any((os.environ.get(name) or "").startswith("ko") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))


def _option(setting: Setting) -> Callable[[F], F]:
    flag = "--" + setting.name.replace("_", "-")
    text = setting.help_ko if reads_korean() else setting.help
    if setting.kind == "bool":
        declared = NEGATED.get(setting.name, f"{flag}/--no-{flag[2:]}")
        return click.option(declared, setting.name, default=None, help=text)
    short = (SHORT[setting.name],) if setting.name in SHORT else ()
    return click.option(*short, flag, setting.name, default=None, metavar=_metavar(setting), help=text)


def _metavar(setting: Setting) -> str:
    if setting.choices:
        return "|".join(setting.choices)
    return {"path": "PATH", "int": "N", "float": "N", "decimal": "N"}.get(setting.kind, "TEXT")


def say(line: str) -> None:
    """A line on standard output, there at once also when it is a pipe."""
    click.echo(line)
    sys.stdout.flush()
