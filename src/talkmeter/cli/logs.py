"""`talkmeter logs`: reads, filters and follows the log file."""

import contextlib
import re
import sys
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.values import seconds_of
from talkmeter.errors import NotFound

LEVELS = ("debug", "info", "warning", "error")
SURFACES = ("web", "openai", "ask", "websocket", "grpc")
OUTCOMES = ("finished", "stopped", "interrupted", "refused", "failed", "not_sent")
LAST = 10  # lines that are shown before those that are followed
COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


def _moment(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """As lines have it, so that texts can be compared."""
    if value is None:
        return None
    seconds = seconds_of(value)
    if seconds is not None:
        return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?", value):
        return value.replace(" ", "T")
    text = f"{value!r} is neither a duration such as 90m nor a moment such as 2027-01-31T09:30 (UTC)."
    raise click.BadParameter(text, param=param)


def _status(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None or value in OUTCOMES or re.fullmatch(r"[1-5](\d\d|xx|XX)", value):
        return value
    text = f"{value!r} is neither an HTTP status (404), a class of them (5xx) nor one of {', '.join(OUTCOMES)}."
    raise click.BadParameter(text, param=param)


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added, across rotations, until Ctrl-C.")
@click.option(
    "--last", "-n", type=click.IntRange(0), metavar="N", help="Only the last N lines that pass; with -f 10 unless said."
)
@click.option("--surface", type=click.Choice(SURFACES), help="A way in.")
@click.option("--principal", help="A user's id.")
@click.option("--model", help="As it was asked for, or as it answered.")
@click.option("--id", "id", help="Of a request, run, call, room or key.")
@click.option("--event", help="What the line tells: request, run, call …")
@click.option("--status", callback=_status, metavar="404|5xx|failed", help="An HTTP status, a class, or an outcome.")
@click.option("--since", callback=_moment, metavar="90m|TIME", help="So long ago, or from a moment on (UTC).")
@click.option("--level", type=click.Choice(LEVELS), help="At least as important.")
@click.option("--text", help="Somewhere in the line, in any case.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are, for programs.")
@setting_options(*EVERYWHERE, "log_file")
def logs(*, follow: bool, last: int | None, as_json: bool, **options: Any) -> None:
    """Show the log file; all filters that are given must hold. The server writes one with `--log-to file`."""
    from talkmeter.logs import file_of
    from talkmeter.logs.reading import Filter, Follower, pieces

    wanted = Filter(**{name: options.pop(name) for name in Filter.__struct_fields__})
    path = file_of(resolved(options)).path
    if not follow and not pieces(path):
        raise _no_file(path)
    if follow and last is None:
        last = LAST
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError), contextlib.closing(Follower(path, wanted)) as lines:
        found = lines.new()
        for line, raw in found if last is None else deque(found, last):
            _say(line, raw, as_json=as_json)
        if follow:
            for line, raw in lines.follow():
                _say(line, raw, as_json=as_json)


def _say(line: dict[str, Any], raw: str, *, as_json: bool) -> None:
    from talkmeter.logs.reading import for_people

    if as_json:
        say(raw)
        return
    colour = COLOURS.get(str(line.get("level"))) if sys.stdout.isatty() else None
    text = for_people(line)
    say(click.style(text, fg=colour) if colour else text)


def _no_file(path: Path) -> NotFound:
    return NotFound(
        f"There is no log file {path}.",
        f"로그 파일 {path}이(가) 없습니다.",
        code="no_log_file",
        hint="The server writes one when it is started with --log-to file (or stderr,file).",
        hint_ko="서버를 --log-to file(또는 stderr,file)로 시작하면 기록합니다.",
    )
