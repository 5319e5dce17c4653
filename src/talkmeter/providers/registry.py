"""The providers that are switched on now, and what each offers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct, structs

from talkmeter.accounts.base_urls import normalise
from talkmeter.accounts.provider_accounts import ProviderAccounts, clean_key
from talkmeter.accounts.store import OwnTimeouts, ProviderAccount
from talkmeter.completions import UpstreamModel
from talkmeter.errors import NotFound, TalkmeterError, UpstreamError
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.openai_compatible import OpenAICompatible

MOST_PICKED = 1024
LIST_SECONDS = 300.0  # for how long a list of models is taken as it was


class Offer(Struct, frozen=True):
    """What one provider offers. error: why it could not be asked; then models are those of the last time."""

    account: ProviderAccount
    models: tuple[UpstreamModel, ...]
    error: TalkmeterError | None = None


class TestResult(Struct, frozen=True, kw_only=True):
    """What came back from `/models`. status: the provider's, None if it was not reached."""

    ok: bool
    status: int | None
    milliseconds: int
    models: tuple[str, ...]
    error: TalkmeterError | None = None


class Registry:
    """Implements completions.Providers. start_simulator: starts it unless it runs, and says its base URL.

    is_ours: whether a base URL leads to this very server.
    """

    def __init__(
        self,
        accounts: ProviderAccounts,
        client: Client,
        start_simulator: Callable[[], Awaitable[str]],
        is_ours: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._is_ours = is_ours
        self._accounts = accounts
        self._client = client
        self._start_simulator = start_simulator
        self._made: dict[str, tuple[ProviderAccount, OpenAICompatible]] = {}
        self._offers: dict[str, tuple[float, Offer]] = {}  # account id → (monotonic seconds, offer)
        self._asking: dict[str, asyncio.Task[Offer]] = {}
        # What was picked, for as long as the accounts and their offers are what they were.
        self._picked: dict[tuple[str | None, str], OpenAICompatible] = {}
        self._picked_among: tuple[ProviderAccount, ...] = ()

    def pick(self, provider_id: str | None, model: str) -> OpenAICompatible:
        """The provider for a model: the named one, else the first that lists it, else the first.

        Raises NotFound if it is gone, switched off, or if there is none at all; UpstreamError if it is ourselves.
        """
        enabled = self._accounts.enabled()
        if enabled is not self._picked_among or len(self._picked) >= MOST_PICKED:
            self._picked, self._picked_among = {}, enabled
        provider = self._picked.get((provider_id, model))
        if provider is None:
            provider = self._picked[provider_id, model] = self._pick(enabled, provider_id, model)
        return provider

    def _pick(self, enabled: Sequence[ProviderAccount], provider_id: str | None, model: str) -> OpenAICompatible:
        if provider_id is not None:
            for account in enabled:
                if account.id == provider_id:
                    return self._provider(account)
            self._accounts.get(provider_id)
            raise _switched_off()
        if not enabled:
            raise _none()
        for account in enabled:
            _, offer = self._offers.get(account.id, (0.0, None))
            if offer is not None and offer.account == account and any(m.id == model for m in offer.models):
                return self._provider(account)
        return self._provider(enabled[0])

    def context_window(self, provider_id: str, model: str) -> int | None:
        """As the provider's list said when it was last read. A list that never was is read meanwhile, for next time."""
        _, offer = self._offers.get(provider_id, (0.0, None))
        account = next((one for one in self._accounts.enabled() if one.id == provider_id), None)
        if account is None or account.source == "simulator":  # of our own models we know it
            return None
        if offer is None or offer.account != account:
            self._ask_meanwhile(account)
            return None
        return next((one.context_window for one in offer.models if one.id == model), None)

    def _ask_meanwhile(self, account: ProviderAccount) -> None:
        if account.id not in self._asking:
            task = asyncio.get_running_loop().create_task(self._offer(account, refresh=False), name="models")
            self._asking[account.id] = task
            task.add_done_callback(lambda _task: self._asking.pop(account.id))

    async def offers(self, *, refresh: bool = False) -> list[Offer]:
        """Of all enabled providers, asked at once; each list is kept for five minutes. Raises nothing."""
        return list(await asyncio.gather(*(self._offer(one, refresh) for one in self._accounts.enabled())))

    async def test(self, base_url: str, key: str | None) -> TestResult:
        """Calls `/models` without storing anything. Raises BadInput for a URL or key that cannot be one."""
        return await self._test(
            OpenAICompatible(id="", name="", base_url=normalise(base_url), key=clean_key(key), client=self._client)
        )

    async def test_stored(self, provider_id: str) -> TestResult:
        """Calls `/models` of a configured provider, also of one that is switched off. Raises NotFound."""
        account = self._accounts.get(provider_id)
        self._offers.pop(account.id, None)
        self._picked = {}
        return await self._test(self._make(account))

    async def _test(self, provider: OpenAICompatible) -> TestResult:
        began = time.monotonic()
        models: tuple[str, ...] = ()
        error: TalkmeterError | None = None
        try:
            self._refuse_ourselves(provider.base_url)
            models = tuple(model.id for model in await provider.models())
        except TalkmeterError as caught:
            error = caught
        return TestResult(
            ok=error is None,
            status=200 if error is None else error.details.get("status"),
            milliseconds=round((time.monotonic() - began) * 1000),
            models=models,
            error=error,
        )

    async def _offer(self, account: ProviderAccount, refresh: bool) -> Offer:
        asked_at, known = self._offers.get(account.id, (0.0, None))
        if known is not None and known.account != account:
            known = None
        if known is not None and known.error is None and not refresh and time.monotonic() - asked_at < LIST_SECONDS:
            return known
        try:
            offer = Offer(account, tuple(await self._provider(account).models()))
        except TalkmeterError as error:
            offer = Offer(account, known.models if known else (), error)
        self._offers[account.id] = (time.monotonic(), offer)
        self._picked = {}
        return offer

    def _refuse_ourselves(self, base_url: str) -> None:
        if self._is_ours(base_url):
            raise UpstreamError(
                f"The base URL {base_url} is this Talkmeter itself: what it sends there would come back without end.",
                f"기본 URL {base_url}은(는) 바로 이 Talkmeter입니다. 보낸 요청이 끝없이 되돌아옵니다.",
                hint="Give the provider the address of the server that has the models.",
                hint_ko="제공자에 실제로 모델이 있는 서버의 주소를 입력하십시오.",
                code="provider_is_itself",
                param="base_url",
            )

    def _provider(self, account: ProviderAccount) -> OpenAICompatible:
        self._refuse_ourselves(account.base_url)
        return self._make(account)

    def _make(self, account: ProviderAccount) -> OpenAICompatible:
        made = self._made.get(account.id)
        if made is not None and made[0] == account:
            return made[1]
        provider = OpenAICompatible(
            id=account.id,
            name=account.name,
            base_url=account.base_url,
            key=self._accounts.reveal(account),
            client=self._client,
            ready=self._start_simulator if account.source == "simulator" else None,
            timeouts=timeouts_for(account.timeouts, self._client.timeouts),
        )
        self._made[account.id] = (account, provider)
        return provider


def timeouts_for(own: OwnTimeouts, usual: Timeouts) -> Timeouts:
    """A provider's own where it has them. Pure."""
    return structs.replace(
        usual,
        connect=usual.connect if own.connect is None else own.connect,
        headers=usual.headers if own.headers is None else own.headers,
        silence=usual.silence if own.silence is None else own.silence,
        first_byte=usual.first_byte if own.first_token is None else own.first_token,
    )


def _switched_off() -> NotFound:
    return NotFound(
        "This provider is switched off.",
        "꺼져 있는 제공자입니다.",
        hint="Switch it on in the settings, or choose another one.",
        hint_ko="설정에서 켜거나 다른 제공자를 고르십시오.",
        code="provider_disabled",
        param="provider_id",
    )


def _none() -> NotFound:
    return NotFound(
        "No provider is configured, and the simulator is switched off.",
        "제공자가 없고 시뮬레이터도 꺼져 있습니다.",
        hint="Add a provider in the settings: a name, a base URL and a key.",
        hint_ko="설정에서 이름, 기본 URL, 키를 넣어 제공자를 추가하십시오.",
        code="no_provider",
    )
