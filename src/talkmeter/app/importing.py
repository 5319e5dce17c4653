"""What the command line does with the conversations of other programs; the server may run beside it."""

from pathlib import Path

from talkmeter.accounts.principals import LOCAL
from talkmeter.app.administration import opened
from talkmeter.app.import_running import Progress, run_import
from talkmeter.app.occupancy import running
from talkmeter.app.wiring import Accounts
from talkmeter.config import Resolved
from talkmeter.conversation.images import Images
from talkmeter.conversation.importing.importer import Importer
from talkmeter.conversation.importing.report import Report
from talkmeter.conversation.importing.values import Format
from talkmeter.errors import NotFound
from talkmeter.store.archive import ATTACHMENTS


async def import_conversations(
    resolved: Resolved, form: Format, path: Path, who: str, *, dry_run: bool, progress: Progress
) -> Report:
    """Into the rooms of a user, by name or id; `local` is whoever asks from this machine without a key.

    Checks the whole source first, and then takes one conversation after another.
    Raises NotFound (no such user), BadInput (nothing has been imported), Conflict (another import is under way).
    """
    async with opened(resolved, begins=True) as store:
        accounts = Accounts(store, resolved)
        await accounts.settings.load()
        await accounts.users.load()
        user_id = _user_id(accounts, who)
        get = accounts.settings.get
        images = Images(
            store, resolved.data_dir / ATTACHMENTS, max_bytes=get("upload_bytes"), max_pixels=get("upload_pixels")
        )
        importer = Importer(store, images, user_id, dry_run=dry_run)
        beside_server = running(resolved.data_dir) is not None
        return await run_import(store, importer, form, path, progress, beside_server=beside_server)


def _user_id(accounts: Accounts, who: str) -> str:
    """Raises NotFound."""
    try:
        return accounts.users.by_name(who).id
    except NotFound:
        if who != LOCAL:
            raise
        return LOCAL
