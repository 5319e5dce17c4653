"""Commands about the data directory as a whole."""

import sys
from pathlib import Path
from typing import Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.wording import numbered

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "red")}


def add_data_commands(group: click.Group) -> None:
    for command in (backup, restore, doctor, rotate_key, forget_keys):
        group.add_command(command)


@click.command()
@FILE
@click.option("--include-key", is_flag=True, help="Also the key file: whoever has the backup can use your keys.")
@setting_options(*EVERYWHERE)
def backup(file: Path, *, include_key: bool, **flags: Any) -> None:
    """Write a verified copy of all data to FILE; the server may be running."""
    from talkmeter.app.administration import back_up

    count = back_up(resolved(flags), file, include_key=include_key)
    say(f"{file}: {numbered(count, 'file')}, {file.stat().st_size / 1e6:.1f} MB, verified.")
    if not include_key:
        say("The key file is not in it; keep talkmeter.key safe in another place.")


@click.command()
@FILE
@click.option("--force", is_flag=True, help="Put what is there aside, instead of refusing.")
@setting_options(*EVERYWHERE)
def restore(file: Path, *, force: bool, **flags: Any) -> None:
    """Check the backup FILE and put it back; the server must not be running."""
    from talkmeter.app.administration import put_back

    settings = resolved(flags)
    restored = put_back(settings, file, force=force)
    say(f"{settings.data_dir}: {numbered(len(restored.manifest.files), 'file')} put back, every one as it was.")
    if restored.aside is not None:
        say(f"What was there before is in {restored.aside}.")


@click.command()
@setting_options(*EVERYWHERE, "host", "port", "allowed_hosts", "tls_cert", "tls_key", "tls_client_ca")
def doctor(**flags: Any) -> None:
    """Look at everything that a healthy workspace needs; changes nothing."""
    from talkmeter.app.administration import run
    from talkmeter.app.doctor import examine

    settings = resolved(flags)

    async def examining() -> int:
        worst = 0
        async for finding in examine(settings):
            mark, colour = MARKS[finding.state]
            say(f"{click.style(mark, fg=colour)}  {finding.about:<15} {finding.text}")
            if finding.hint:
                say(f"      {'':<15} {finding.hint}")
            worst = max(worst, int(finding.state == "bad"))
        return worst

    sys.exit(run(examining()))


@click.command("rotate-key")
@setting_options(*EVERYWHERE)
def rotate_key(**flags: Any) -> None:
    """Seal all provider keys with a new key file; the old one is kept as talkmeter.key.old."""
    from talkmeter.app.administration import rotate_key as rotating
    from talkmeter.app.administration import run

    count, kept = run(rotating(resolved(flags)))
    say(f"{numbered(count, 'key')} sealed anew." + (f" Delete {kept.name} once all is well." if kept else ""))


@click.command("forget-keys")
@setting_options(*EVERYWHERE)
@click.confirmation_option(prompt="Remove the provider keys that the key file does not open?")
def forget_keys(**flags: Any) -> None:
    """Remove provider keys that cannot be opened any more, so that Talkmeter starts again."""
    from talkmeter.app.administration import forget_keys as forgetting
    from talkmeter.app.administration import run

    count = run(forgetting(resolved(flags)))
    say(f"{numbered(count, 'key')} removed. Enter {'it' if count == 1 else 'them'} again in Settings.")
