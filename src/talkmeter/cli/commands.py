"""`talkmeter`: serve · simulate · link · password · users · keys · budgets · routes · usage · calls · reconcile …"""

import math
import sys
from pathlib import Path
from typing import Any

import click

from talkmeter import __version__
from talkmeter.cli.budgets import budgets
from talkmeter.cli.cert import cert
from talkmeter.cli.data import add_data_commands
from talkmeter.cli.importing import import_
from talkmeter.cli.keys import keys
from talkmeter.cli.ledger import calls, usage
from talkmeter.cli.logs import logs
from talkmeter.cli.options import EVERYWHERE, fail, resolved, say, setting_options
from talkmeter.cli.prices import prices
from talkmeter.cli.reconcile import reconcile
from talkmeter.cli.routes import routes
from talkmeter.cli.users import asked_password, users
from talkmeter.errors import TalkmeterError


class Speed(click.FloatRange):
    """nan and inf are floats, but no speed."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no speed.", param, ctx)
        return found


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="talkmeter")
def talkmeter() -> None:
    """A self-hosted ChatGPT workspace whose ledger accounts for every token."""


@talkmeter.command()
@setting_options()
def serve(**flags: Any) -> None:
    """Run the server and print a link that signs this browser in."""
    from talkmeter.app.serving import run_server

    sys.exit(run_server(resolved(flags), say))


@talkmeter.command(hidden=True)
@click.argument("fds", nargs=-1, type=int)
def worker(fds: tuple[int, ...]) -> None:
    """Answer /v1 for a `serve --workers N`, which starts this with the numbers of open files."""
    from talkmeter.app.worker import run_worker

    if len(fds) < 4:
        raise click.UsageError("`talkmeter serve --workers N` starts this.")
    sys.exit(run_worker(*fds))


@talkmeter.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", "-p", type=click.IntRange(0, 65535), default=8641, show_default=True, help="0: any free one.")
@click.option(
    "--bill", type=click.Path(path_type=Path, dir_okay=False), help="Keep the bill in this file; else in memory."
)
@click.option(
    "--tokens-per-second", type=Speed(0), default=80.0, show_default=True, help="Speed; 0 is without a pause."
)
@click.option("--seed", default=0, show_default=True, help="Chooses among the answers.")
@click.option("--any-model", is_flag=True, help="Answer to the names of real models, too.")
def simulate(host: str, port: int, bill: Path | None, tokens_per_second: float, seed: int, *, any_model: bool) -> None:
    """Run the simulated upstream by itself and print its base URL; see docs/simulator.md."""
    from talkmeter.app.simulating import simulate_alone

    simulate_alone(host, port, bill, tokens_per_second, seed, any_model=any_model)


@talkmeter.command()
@setting_options(*EVERYWHERE, "port")
def link(**flags: Any) -> None:
    """Print a new one-time sign-in link; the server may be running."""
    from talkmeter.app.administration import new_link, run

    say(run(new_link(resolved(flags))))


@talkmeter.command()
@click.option("--remove", is_flag=True, help="Remove the password; sign-in links still work.")
@setting_options(*EVERYWHERE)
def password(*, remove: bool, **flags: Any) -> None:
    """Set the first owner's password; asked for twice, or one line from standard input."""
    from talkmeter.app.administration import remove_password, run, set_password

    settings = resolved(flags)
    if remove:
        run(remove_password(settings))
        say("The password is removed.")
        return
    run(set_password(settings, asked_password()))
    say("The password is set; all browsers are signed out.")


talkmeter.add_command(users)
talkmeter.add_command(keys)
talkmeter.add_command(prices)
talkmeter.add_command(budgets)
talkmeter.add_command(routes)
talkmeter.add_command(usage)
talkmeter.add_command(calls)
talkmeter.add_command(reconcile)
talkmeter.add_command(cert)
talkmeter.add_command(logs)
talkmeter.add_command(import_)
add_data_commands(talkmeter)


def main() -> None:
    """The entry point: errors that are meant to be read are printed as such."""
    try:
        status = talkmeter(standalone_mode=False, prog_name="talkmeter")
    except TalkmeterError as error:
        sys.exit(fail(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
