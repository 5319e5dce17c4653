"""`talkmeter`: serve · simulate · link · password · backup · restore · prices · doctor …"""

import sys
from typing import Any

import click

from talkmeter import __version__
from talkmeter.cli.options import EVERYWHERE, fail, resolved, setting_options
from talkmeter.errors import TalkmeterError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="talkmeter")
def talkmeter() -> None:
    """A self-hosted ChatGPT workspace whose ledger accounts for every token."""


@talkmeter.command()
@setting_options()
def serve(**flags: Any) -> None:
    """Run the server and print a link that signs this browser in."""
    from talkmeter.app.serving import run_server

    sys.exit(run_server(resolved(flags), _say))


@talkmeter.command()
@setting_options(*EVERYWHERE)
def link(**flags: Any) -> None:
    """Print a new one-time sign-in link; the server may be running."""
    from talkmeter.app.administration import new_link, run

    click.echo(run(new_link(resolved(flags))))


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def main() -> None:
    """The entry point: errors that are meant to be read are printed as such."""
    try:
        talkmeter(standalone_mode=False, prog_name="talkmeter")
    except TalkmeterError as error:
        sys.exit(fail(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(130)
