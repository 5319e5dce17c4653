"""Signing in and out, and what the page reads first."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from talkmeter import __version__
from talkmeter.accounts.principals import Principal
from talkmeter.errors import NotSignedIn
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.cookies import cookie_of, remove_cookie, set_cookie
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import Nothing, SignInBody
from talkmeter.surfaces.web.translate import provider_json, provider_name_json
from talkmeter.surfaces.web.tries import WrongTries, source_of

SMALL_BODY = 16_384  # a password or nothing


class SessionRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._wrong_tries = WrongTries()

    def routes(self) -> tuple[WebRoute, ...]:
        return (
            WebRoute("GET", "/sign-in", "sign_in_link", Access.OPEN, self.use_link),
            WebRoute("POST", "/api/sign-in", "sign_in", Access.OPEN, self.sign_in),
            WebRoute("POST", "/api/sign-out", "sign_out", Access.SIGNED_IN, self.sign_out),
            WebRoute("GET", "/api/session", "session", Access.OPEN, self.session),
            WebRoute("GET", "/api/bootstrap", "bootstrap", Access.SIGNED_IN, self.bootstrap),
        )

    async def use_link(self, request: Request, _: Principal | None) -> Response:
        if request.method == "HEAD":  # a preview of the link must not use it up
            return no_content()
        try:
            cookie = await self._services.sessions.use_link_token(request.query_params.get("token", ""))
        except NotSignedIn:
            return RedirectResponse("/?sign_in=expired", 303, {"Cache-Control": "no-store"})
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        set_cookie(request, response, cookie)
        return response

    async def sign_in(self, request: Request, _: Principal | None) -> Response:
        body = await read_json(request, SignInBody, SMALL_BODY)
        self._wrong_tries.check()
        user_id = await self._services.passwords.verify(body.password, source_of(request), body.name)
        if user_id is None:
            self._wrong_tries.note_wrong()
            raise NotSignedIn(
                "The password is wrong." if body.name is None else "The name or the password is wrong.",
                "비밀번호가 틀렸습니다." if body.name is None else "이름 또는 비밀번호가 틀렸습니다.",
                code="wrong_password",
                param="password",
                hint="`talkmeter link` on the machine itself prints a sign-in link.",
                hint_ko="서버에서 `talkmeter link`를 실행하면 로그인 링크가 출력됩니다.",
            )
        response = no_content()
        set_cookie(request, response, await self._services.sessions.start(user_id))
        return response

    async def sign_out(self, request: Request, _: Principal) -> Response:
        await read_json(request, Nothing, SMALL_BODY)
        await self._services.sessions.end(cookie_of(request) or "")
        response = no_content()
        remove_cookie(request, response)
        return response

    async def session(self, _: Request, principal: Principal | None) -> Response:
        return json_answer(
            {
                "signed_in": principal is not None,
                "password_set": await self._services.passwords.is_set(),
                "several_users": sum(user.disabled_at is None for user in self._services.users.list()) > 1,
                "version": __version__,
            }
        )

    async def bootstrap(self, _: Request, principal: Principal) -> Response:
        services = self._services
        services.conversation.warm_up()
        limits: dict[str, Any] = {
            name: services.settings.get(name)
            for name in ("upload_bytes", "upload_pixels", "images_per_message", "text_bytes")
        }
        return json_answer(
            {
                "version": __version__,
                "principal": principal.user_id,
                "name": (await services.users.fetch(principal.user_id)).name,
                "role": principal.role,
                "settings": services.preferences.page_values(principal.user_id),
                "providers": [
                    provider_json(account) if principal.role == "owner" else provider_name_json(account)
                    for account in services.providers.all()
                ],
                "simulator": services.providers.only_simulator,
                "limits": limits,
            }
        )
