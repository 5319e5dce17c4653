"""The settings as they stand: flag > environment > file > stored > default. Changed on the page, kept by the store."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from talkmeter.accounts.store import AccountStore, SaveSettings
from talkmeter.config import BY_NAME, TABLE, Resolved, Setting, Source
from talkmeter.errors import BadInput, Conflict, SettingError

log = logging.getLogger(__name__)

SOURCE_EN = {"flag": "a command-line flag", "environment": "the environment", "file": "the settings file"}
SOURCE_KO = {"flag": "명령줄 옵션", "environment": "환경 변수", "file": "설정 파일"}


class Settings:
    """Resolved settings joined with the stored ones; reading is from memory, after `load`.

    default_model: names the model when nobody has chosen one.
    """

    def __init__(self, resolved: Resolved, store: AccountStore, default_model: Callable[[], str] = lambda: "") -> None:
        self.resolved = resolved
        self._store = store
        self._default_model = default_model
        self._stored: dict[str, Any] = {}
        self._at_work = asyncio.Lock()  # a reading does not undo a change that it has not seen

    async def load(self) -> None:
        """Reads the stored values. One that no longer fits its setting is left out and logged."""
        stored: dict[str, Any] = {}
        async with self._at_work:
            for name, raw in (await self._store.settings()).items():
                setting = BY_NAME.get(name)
                if setting is None or not setting.page:
                    continue
                try:
                    stored[name] = setting.parse(raw, "stored", "the database")
                except SettingError as error:
                    log.warning("stored_setting_ignored", extra={"setting": name, "reason": error.message})
            self._stored = stored  # at once: who asks meanwhile goes by what held before

    def get(self, name: str) -> Any:
        """The value in its Python type (see Setting.parse)."""
        value = self._plain_get(name)
        return self._default_model() if name == "default_model" and not value else value

    def _plain_get(self, name: str) -> Any:
        if name in self._stored and name not in self.resolved.values:
            return self._stored[name]
        return self.resolved.get(name)

    def source(self, name: str) -> Source:
        if name in self.resolved.values:
            return self.resolved.source(name)
        return "stored" if name in self._stored else "default"

    def page_values(self) -> dict[str, Any]:
        """What the page may change, JSON-able; decimals as text."""
        return {setting.name: setting.plain(self.get(setting.name)) for setting in self.described()}

    def locked(self) -> dict[str, str]:
        """Of these, the ones that flag, environment or file set: name → source."""
        return {s.name: self.source(s.name) for s in self.described() if s.name in self.resolved.values}

    def described(self) -> list[Setting]:
        """The rows of the table that the page may change."""
        return [setting for setting in TABLE if setting.page]

    async def change(self, values: Mapping[str, Any]) -> None:
        """Stores them all or none; None goes back to the default. Another currency forgets the rate of the one before.

        Raises BadInput for an unknown name or a value that does not fit, Conflict (`setting_locked`) for a locked one.
        """
        parsed: dict[str, Any] = {}
        for name, raw in values.items():
            setting = self._changeable(name)
            try:
                parsed[name] = None if raw is None else setting.parse(raw, "stored", "the page")
            except SettingError as error:
                raise BadInput(
                    error.message,
                    error.message_ko,
                    hint=error.hint,
                    hint_ko=error.hint_ko,
                    code=error.code,
                    param=name,
                ) from None
        if parsed.get("currency", self.get("currency")) != self.get("currency"):
            parsed.setdefault("currency_rate", None)  # the rate was that of another currency
        async with self._at_work:
            await self._store.commit(SaveSettings({name: BY_NAME[name].plain(v) for name, v in parsed.items()}))
            for name, value in parsed.items():
                if value is None:
                    self._stored.pop(name, None)
                else:
                    self._stored[name] = value

    def _changeable(self, name: str) -> Setting:
        setting = BY_NAME.get(name)
        if setting is None or not setting.page:
            raise BadInput(
                f"There is no setting {name} that the page could change.",
                f"페이지에서 바꿀 수 있는 설정 {name}이(가) 없습니다.",
                hint="GET /api/settings lists them under `described`.",
                hint_ko="GET /api/settings의 `described`에 목록이 있습니다.",
                code="unknown_setting",
                param=name,
            )
        if name in self.resolved.values:
            given = self.resolved.values[name]
            raise Conflict(
                f"{name} is set by {SOURCE_EN[given.source]} ({given.where}) and cannot be changed here.",
                f"{name}은(는) {SOURCE_KO[given.source]}({given.where})에서 정해져 여기서 바꿀 수 없습니다.",
                hint=f"Change or remove it there and restart: {given.where}.",
                hint_ko=f"그곳에서 바꾸거나 지운 뒤 다시 시작하십시오: {given.where}.",
                code="setting_locked",
                param=name,
            )
        return setting
