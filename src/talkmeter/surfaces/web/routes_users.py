"""Users: an owner's business, but for one's own password."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.errors import Forbidden, NotFound
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.cookies import cookie_of
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import AddUserBody, ChangeUserBody, Nothing, PasswordBody
from talkmeter.surfaces.web.translate_accounts import user_json
from talkmeter.surfaces.web.tries import WrongTries, source_of

BODY_BYTES = 16_384


class UserRoutes:
    def __init__(self, services: Services) -> None:
        self._users = services.users
        self._passwords = services.passwords
        self._sessions = services.sessions
        self._wrong_tries = WrongTries()

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.OWNER
        return (
            WebRoute("GET", "/api/users", "users", who, self.all),
            WebRoute("POST", "/api/users", "add_user", who, self.add),
            WebRoute("PATCH", "/api/users/{id}", "change_user", who, self.change),
            WebRoute("POST", "/api/users/{id}/password", "set_password", Access.SIGNED_IN, self.set_password),
            WebRoute("POST", "/api/users/{id}/invitation", "invite_user", who, self.invite),
        )

    async def all(self, _: Request, __: Principal) -> Response:
        return json_answer({"users": [user_json(user) for user in self._users.list()]})

    async def add(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, AddUserBody, BODY_BYTES)
        user = await self._users.add(body.name, body.role, rpm=body.rpm, tpm=body.tpm)
        return json_answer(user_json(user), 201)

    async def change(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, ChangeUserBody, BODY_BYTES)
        user = await self._users.change(
            request.path_params["id"],
            name=body.name,
            role=body.role,
            disabled=body.disabled,
            rpm=body.rpm,
            tpm=body.tpm,
        )
        return json_answer(user_json(user))

    async def set_password(self, request: Request, principal: Principal) -> Response:
        """Whoever else was signed in as this user is signed out; so is a thief of the former password."""
        user_id = request.path_params["id"]
        own = user_id == principal.user_id
        if not own and principal.role != "owner":
            raise NotFound(
                "There is no such user.",
                "그런 사용자가 없습니다.",
                code="user_not_found",
                hint="Your own id is the `principal` of /api/bootstrap.",
                hint_ko="본인의 번호는 /api/bootstrap의 `principal`입니다.",
            )
        body = await read_json(request, PasswordBody, BODY_BYTES)
        user = self._users.get(user_id)
        if own and user.has_password:
            await self._check_current(request, user_id, body.current or "")
        await self._users.set_password(user_id, body.password)
        await self._sessions.end_all(user_id, but=cookie_of(request) if own else None)
        return no_content()

    async def invite(self, request: Request, _: Principal) -> Response:
        await read_json(request, Nothing, BODY_BYTES)
        user = self._users.get_enabled(request.path_params["id"])
        token, expires_at = await self._sessions.invite(user.id)
        return json_answer({"path": f"/sign-in?token={token}", "expires_at": expires_at}, 201)

    async def _check_current(self, request: Request, user_id: str, password: str) -> None:
        """A browser that was left open must not be enough to take an account over."""
        self._wrong_tries.check()
        if await self._passwords.verify_of(user_id, password, source_of(request)):
            return
        self._wrong_tries.note_wrong()
        raise Forbidden(
            "The present password is wrong.",
            "현재 비밀번호가 틀렸습니다.",
            code="wrong_password",
            param="current",
            hint="Send the present password as `current`; an owner can set another without it.",
            hint_ko="현재 비밀번호를 `current`로 보내십시오. 소유자는 그것 없이 새로 정할 수 있습니다.",
        )
