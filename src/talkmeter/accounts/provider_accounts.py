"""Our accounts with providers: the stored ones, the one from the environment, and the simulator beside them."""

from collections.abc import Callable, Mapping

from msgspec import UNSET, UnsetType, structs

from talkmeter.accounts import base_urls
from talkmeter.accounts.own_timeouts import with_timeouts
from talkmeter.accounts.secrets import Purpose, Sealer, hint_of
from talkmeter.accounts.store import AccountStore, DeleteProvider, OwnTimeouts, ProviderAccount, SaveProvider, SealedKey
from talkmeter.clock import now
from talkmeter.config import BY_NAME, Resolved
from talkmeter.errors import BadInput, Conflict, NotFound, SettingError
from talkmeter.ids import new_id

ENVIRONMENT_ID = "provider_environment"
SIMULATOR_ID = "provider_simulator"
SIMULATOR_NAME = "Simulator"
LONGEST_NAME = 80
LONGEST_KEY = 8192
_SETTINGS = {"key": "openai_api_key", "admin_key": "openai_admin_key"}  # by an error's param
SIMULATOR_MODEL = "sim-fast"
USUAL_MODEL = "gpt-4o-mini"


class ProviderAccounts:
    """Reading is from memory, after `load`; every change is committed first. Keys leave it through `reveal` only."""

    def __init__(self, store: AccountStore, sealer: Sealer, resolved: Resolved, clock: Callable[[], int] = now) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._simulator_wanted: str = resolved.get("simulator")
        self._simulator = _simulator("")
        self._environment_key: str | None = resolved.get("openai_api_key")
        self._environment_admin_key: str | None = resolved.get("openai_admin_key")
        self._environment = _environment(resolved)
        self._stored: tuple[ProviderAccount, ...] = ()
        self._gather()

    def _gather(self) -> None:
        """Puts together what is asked for with every call; after each change."""
        real = (*((self._environment,) if self._environment else ()), *self._stored)
        some = any(account.enabled for account in real)
        self._real = real
        self._in_use = not some if self._simulator_wanted == "auto" else self._simulator_wanted == "on"
        self._alone = not some and self._in_use
        self._all = (*real, *((self._simulator,) if self._in_use else ()))
        self._enabled = tuple(account for account in self._all if account.enabled)
        self._by_id: dict[str, ProviderAccount] = {account.id: account for account in self._all}

    async def load(self) -> None:
        """Reads the stored accounts. Raises SettingError if a key does not open: see Sealer.check."""
        stored = tuple(await self._store.providers())
        self._sealer.check(stored)
        self._stored = stored
        self._gather()

    def all(self) -> tuple[ProviderAccount, ...]:
        """From the environment, then stored in order of creation, then the simulator where it is in use."""
        return self._all

    def enabled(self) -> tuple[ProviderAccount, ...]:
        return self._enabled

    def get(self, provider_id: str) -> ProviderAccount:
        """Raises NotFound."""
        account = self._by_id.get(provider_id)
        if account is not None:
            return account
        raise NotFound(
            "There is no such provider; it may have been deleted.",
            "그런 제공자가 없습니다. 삭제되었을 수 있습니다.",
            hint="Choose another provider in the room or in the settings.",
            hint_ko="대화방이나 설정에서 다른 제공자를 고르십시오.",
            code="provider_not_found",
            param="provider_id",
        )

    def names(self) -> dict[str, str]:
        """What they are called, by id."""
        return {account.id: account.name for account in self._all}

    def names_from_settings(self) -> dict[str, str]:
        """Of those that are not stored: another process with other settings does not know them."""
        return {account.id: account.name for account in self._all if account.source != "stored"}

    @property
    def simulator_in_use(self) -> bool:
        return self._in_use

    @property
    def only_simulator(self) -> bool:
        """Whether answers come from the simulator because there is nothing else."""
        return self._alone

    @property
    def usual_model(self) -> str:
        """The model when nobody has chosen one."""
        return SIMULATOR_MODEL if self.only_simulator else USUAL_MODEL

    def simulator_runs_at(self, base_url: str) -> None:
        """Told by whoever started it."""
        self._simulator = _simulator(base_url)
        self._gather()

    def reveal(self, account: ProviderAccount) -> str | None:
        """The key in clear, for the provider's client and nobody else."""
        if account.key is None:
            return None
        if account.source == "environment":
            return self._environment_key
        return self._sealer.open(account.id, account.key)

    def reveal_admin(self, account: ProviderAccount) -> str | None:
        """The admin key in clear, for who reads the provider's books and nobody else."""
        if account.admin_key is None:
            return None
        if account.source == "environment":
            return self._environment_admin_key
        return self._sealer.open(account.id, account.admin_key, "admin key")

    async def add(
        self,
        name: str,
        base_url: str | None = None,
        key: str | None = None,
        admin_key: str | None = None,
        timeouts: Mapping[str, float | None] | None = None,
    ) -> ProviderAccount:
        """Raises BadInput; Conflict if the name is taken."""
        provider_id = new_id("provider")
        account = ProviderAccount(
            id=provider_id,
            name=self._free_name(name, provider_id),
            base_url=base_urls.normalise(base_url) if base_url else base_urls.OPENAI,
            key=self._seal(provider_id, key),
            enabled=True,
            created_at=self._clock(),
            admin_key=self._seal(provider_id, admin_key, "admin key"),
            timeouts=with_timeouts(OwnTimeouts(), timeouts or {}),
        )
        await self._save(account)
        return account

    async def change(
        self,
        provider_id: str,
        *,
        name: str | UnsetType = UNSET,
        base_url: str | UnsetType = UNSET,
        key: str | UnsetType | None = UNSET,
        enabled: bool | UnsetType = UNSET,
        admin_key: str | UnsetType | None = UNSET,
        timeouts: Mapping[str, float | None] | None = None,
    ) -> ProviderAccount:
        """UNSET stays; an empty key removes it. A key goes only where its owner sent it: a base URL on another
        host needs the key again. timeouts: see with_timeouts. Raises NotFound, BadInput, Conflict.
        """
        account = self._changeable(provider_id)
        if name is not UNSET:
            account = structs.replace(account, name=self._free_name(name, provider_id))
        if base_url is not UNSET:
            moved = base_urls.normalise(base_url) if base_url else base_urls.OPENAI
            if _origin(moved) != _origin(account.base_url):
                if account.key is not None and key is UNSET:
                    raise _key_needed("key")
                if account.admin_key is not None and admin_key is UNSET:
                    raise _key_needed("admin_key")
            account = structs.replace(account, base_url=moved)
        if key is not UNSET:
            account = structs.replace(account, key=self._seal(provider_id, key))
        if admin_key is not UNSET:
            account = structs.replace(account, admin_key=self._seal(provider_id, admin_key, "admin key"))
        if timeouts:
            account = structs.replace(account, timeouts=with_timeouts(account.timeouts, timeouts))
        if enabled is not UNSET:
            account = structs.replace(account, enabled=enabled)
        await self._save(account)
        return account

    async def delete(self, provider_id: str) -> None:
        """Ledger entries stay. Raises NotFound, Conflict."""
        self._changeable(provider_id)
        await self._store.commit(DeleteProvider(provider_id))
        self._stored = tuple(account for account in self._stored if account.id != provider_id)
        self._gather()

    async def _save(self, account: ProviderAccount) -> None:
        await self._store.commit(SaveProvider(account))
        known = any(old.id == account.id for old in self._stored)
        self._stored = (
            tuple(account if old.id == account.id else old for old in self._stored)
            if known
            else (*self._stored, account)
        )
        self._gather()

    def _changeable(self, provider_id: str) -> ProviderAccount:
        account = self.get(provider_id)
        if account.source == "stored":
            return account
        where, where_ko = (
            ("the environment (OPENAI_API_KEY, OPENAI_BASE_URL)", "환경 변수(OPENAI_API_KEY, OPENAI_BASE_URL)")
            if account.source == "environment"
            else ("the setting `simulator`", "설정 `simulator`")
        )
        raise Conflict(
            f"The provider {account.name} comes from {where} and cannot be changed here.",
            f"제공자 {account.name}은(는) {where_ko}에서 와서 여기서 바꿀 수 없습니다.",
            hint="Change it there and restart, or add a provider of your own.",
            hint_ko="그곳에서 바꾸고 다시 시작하거나, 제공자를 직접 추가하십시오.",
            code="provider_locked",
        )

    def _free_name(self, name: str, provider_id: str) -> str:
        clean = " ".join(name.split())
        if not clean or len(clean) > LONGEST_NAME or not clean.isprintable():
            raise BadInput(
                f"A provider's name has 1 to {LONGEST_NAME} printable characters.",
                f"제공자 이름은 1자에서 {LONGEST_NAME}자까지의 보이는 글자여야 합니다.",
                code="bad_name",
                param="name",
            )
        others = [*self._real, self._simulator]
        if any(other.name.casefold() == clean.casefold() for other in others if other.id != provider_id):
            raise Conflict(
                f"There is already a provider called {clean}.",
                f"{clean}(이)라는 제공자가 이미 있습니다.",
                hint="Choose another name; two providers may share a base URL.",
                hint_ko="다른 이름을 고르십시오. 기본 URL은 같아도 됩니다.",
                code="name_taken",
                param="name",
            )
        return clean

    def _seal(self, provider_id: str, key: str | None, purpose: Purpose = "key") -> SealedKey | None:
        clean = clean_key(key, "key" if purpose == "key" else "admin_key")
        return None if clean is None else self._sealer.seal(provider_id, clean, purpose)


def clean_key(key: str | None, param: str = "key") -> str | None:
    """Without blanks around it; None if nothing is left. Raises BadInput (never showing the key)."""
    clean = (key or "").strip()
    if not clean:
        return None
    if len(clean) > LONGEST_KEY or not all("!" <= letter <= "~" for letter in clean):
        raise BadInput(
            f"A key has at most {LONGEST_KEY} printable ASCII characters and no blanks.",
            f"키는 공백 없는 ASCII 글자로 {LONGEST_KEY}자까지입니다.",
            hint="Copy it once more from the provider's page; a line break may have slipped in.",
            hint_ko="제공자 페이지에서 다시 복사하십시오. 줄바꿈이 섞였을 수 있습니다.",
            code="bad_key",
            param=param,
        )
    return clean


def _environment(resolved: Resolved) -> ProviderAccount | None:
    url = resolved.get("openai_base_url")
    try:
        key = clean_key(resolved.get("openai_api_key"))
        admin_key = clean_key(resolved.get("openai_admin_key"), "admin_key")
        base_url = base_urls.normalise(url) if url else base_urls.OPENAI
    except BadInput as error:
        setting = BY_NAME[_SETTINGS.get(error.param or "", "openai_base_url")]
        given = resolved.values[setting.name]
        raise SettingError(
            f"The setting {setting.name} cannot be used ({given.where}). {error.message}",
            f"설정 {setting.name}을(를) 쓸 수 없습니다 ({given.where}). {error.message_ko}",
            hint=error.hint,
            hint_ko=error.hint_ko,
            code="bad_setting",
            param=setting.name,
        ) from None
    if key is None and not url:
        return None
    return ProviderAccount(
        id=ENVIRONMENT_ID,
        name="OpenAI" if base_url == base_urls.OPENAI else base_url.split("://", 1)[1].split("/", 1)[0],
        base_url=base_url,
        key=None if key is None else SealedKey(b"", b"", hint_of(key)),
        enabled=True,
        created_at=0,
        source="environment",
        admin_key=None if admin_key is None else SealedKey(b"", b"", hint_of(admin_key)),
    )


def _simulator(base_url: str) -> ProviderAccount:
    return ProviderAccount(
        id=SIMULATOR_ID,
        name=SIMULATOR_NAME,
        base_url=base_url,
        key=None,
        enabled=True,
        created_at=0,
        source="simulator",
    )


def _origin(base_url: str) -> str:
    return "/".join(base_url.split("/", 3)[:3])


def _key_needed(name: str) -> BadInput:
    return BadInput(
        "The base URL leads to another server: enter the key again, so that it is not sent there by mistake.",
        "기본 URL이 다른 서버를 가리킵니다. 키가 실수로 전송되지 않도록 키를 다시 입력하십시오.",
        hint=f"Send `{name}` together with `base_url`; an empty key removes it.",
        hint_ko=f"`base_url`과 함께 `{name}`를 보내십시오. 빈 키는 키를 지웁니다.",
        code="key_needed",
        param=name,
    )
