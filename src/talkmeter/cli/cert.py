"""`talkmeter cert`: a certificate for a network of one's own."""

import platform
from pathlib import Path
from typing import Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options

ALWAYS = ("localhost", "127.0.0.1", "::1")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--days", type=click.IntRange(1, 825), default=825, show_default=True, help="How long it is good.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder; by default the data directory.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@setting_options(*EVERYWHERE)
def cert(names: tuple[str, ...], *, days: int, out: Path | None, force: bool, **flags: Any) -> None:
    """Make a certificate for NAMES: the names and addresses by which others call this machine.

    This machine's own name and localhost are always among them. No public authority stands behind it: each device has
    to be told once to trust it, and this prints how.
    """
    from talkmeter.app.certificates import make_certificate, write_certificate

    made = make_certificate(_all_names(names), days)
    files = write_certificate(made, out or resolved(flags).data_dir, force=force)
    cert_file, key_file, ca_file = files
    say(f"A certificate for {', '.join(_all_names(names))}, until {made.until:%Y-%m-%d}:")
    say(f"  certificate  {cert_file}")
    say(f"  key          {key_file}  (readable by you only; keep it so)")
    say(f"  to trust     {ca_file}  (no secret: copy it to the devices that connect)")
    say("Start the server with it, here or for others:")
    say(f"  talkmeter serve --tls-cert {cert_file} --tls-key {key_file} --host 0.0.0.0")
    for line in _how_to_trust(ca_file):
        say(line)


def _all_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that were given, then this machine's own, each once."""
    own = platform.node().lower()
    return tuple(dict.fromkeys([*names, *ALWAYS, *([own] if own and own.isascii() else [])]))


def _how_to_trust(ca: Path) -> tuple[str, ...]:
    return (
        "Trust it, once on each device:",
        f"  Debian, Ubuntu  sudo cp {ca} /usr/local/share/ca-certificates/talkmeter.crt && sudo update-ca-certificates",
        f"  Fedora          sudo trust anchor {ca}",
        f"  macOS           security add-trusted-cert -r trustRoot {ca.name}",
        f"  Windows         certutil -addstore -user Root {ca.name}",
        "  iPhone, iPad    send it there, install the profile, then Settings > General > About > Certificate Trust",
        "  Android         Settings > Security > Install a certificate > CA certificate",
        "  Firefox         Settings > Certificates > Authorities > Import (it keeps a list of its own)",
        f"  curl            curl --cacert {ca}",
        f"  Python, openai  SSL_CERT_FILE={ca}",
        f"  Node            NODE_EXTRA_CA_CERTS={ca}",
    )
