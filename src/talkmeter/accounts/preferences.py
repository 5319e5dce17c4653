"""What users choose for themselves, wherever they sign in. Where nothing is chosen, everybody's setting holds.

Kept among the stored settings, as `NAME@USER`.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from talkmeter.accounts.settings import Settings
from talkmeter.accounts.store import AccountStore, SaveSettings
from talkmeter.config import BY_NAME
from talkmeter.errors import BadInput, SettingError

log = logging.getLogger(__name__)

PERSONAL = ("language", "theme")


class Preferences:
    """Reading is from memory, after `load`."""

    def __init__(self, settings: Settings, store: AccountStore) -> None:
        self._settings = settings
        self._store = store
        self._chosen: dict[str, dict[str, Any]] = {}
        self._at_work = asyncio.Lock()  # a reading does not undo a change that it has not seen

    async def load(self) -> None:
        """Reads the stored choices. One that no longer fits its setting is left out and logged."""
        chosen: dict[str, dict[str, Any]] = {}
        async with self._at_work:
            for stored_name, raw in (await self._store.settings()).items():
                name, at, user_id = stored_name.partition("@")
                if not at or name not in PERSONAL:
                    continue
                try:
                    chosen.setdefault(user_id, {})[name] = BY_NAME[name].parse(raw, "stored", "the database")
                except SettingError as error:
                    log.warning("stored_preference_ignored", extra={"setting": name, "reason": error.message})
            self._chosen = chosen  # at once: who asks meanwhile goes by what held before

    def page_values(self, user_id: str) -> dict[str, Any]:
        """The settings of the page as they hold for this user, JSON-able."""
        return self._settings.page_values() | self._chosen.get(user_id, {})

    async def change(self, user_id: str, values: Mapping[str, Any]) -> None:
        """Stores them all or none; None goes back to everybody's setting.

        Raises BadInput for a name that nobody chooses for themselves, or a value that does not fit.
        """
        parsed = {name: None if raw is None else _parsed(name, raw) for name, raw in values.items()}
        async with self._at_work:
            await self._store.commit(SaveSettings({f"{name}@{user_id}": value for name, value in parsed.items()}))
            own = {**self._chosen.get(user_id, {}), **parsed}
            self._chosen[user_id] = {name: value for name, value in own.items() if value is not None}

    async def forget(self, user_id: str, names: Iterable[str]) -> None:
        """Goes back to everybody's setting in these; names that are not personal do not matter."""
        own = self._chosen.get(user_id, {})
        if gone := {name: None for name in names if name in own}:
            await self.change(user_id, gone)


def _parsed(name: str, raw: Any) -> Any:
    if name not in PERSONAL:
        raise BadInput(
            f"{name:.40} is nothing that users choose for themselves.",
            f"{name:.40}은(는) 사용자가 각자 정하는 것이 아닙니다.",
            hint=f"These are: {', '.join(PERSONAL)}.",
            hint_ko=f"각자 정하는 것: {', '.join(PERSONAL)}.",
            code="unknown_setting",
            param=name,
        )
    try:
        return BY_NAME[name].parse(raw, "stored", "the page")
    except SettingError as error:
        raise BadInput(
            error.message, error.message_ko, hint=error.hint, hint_ko=error.hint_ko, code=error.code, param=name
        ) from None
