"""API keys: everybody's for an owner, one's own for a member. A token is in one answer only, ever."""

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.key_errors import key_not_found
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.store import ApiKey
from talkmeter.clock import now
from talkmeter.surfaces.web.access import Access, WebRoute, owner_only
from talkmeter.surfaces.web.reading import json_answer, read_json, text_parameter
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import AddKeyBody, ChangeKeyBody, Nothing, RotateKeyBody
from talkmeter.surfaces.web.translate_accounts import key_json

BODY_BYTES = 262_144  # a key may name some hundred models
OWNERS_ONLY = ("rpm", "tpm", "models", "doors", "expires_at")  # what bounds a key is not its user's to loosen


class KeyRoutes:
    def __init__(self, services: Services) -> None:
        self._keys = services.keys
        self._users = services.users

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.SIGNED_IN
        return (
            WebRoute("GET", "/api/keys", "keys", who, self.all),
            WebRoute("POST", "/api/keys", "add_key", who, self.add),
            WebRoute("PATCH", "/api/keys/{id}", "change_key", who, self.change),
            WebRoute("POST", "/api/keys/{id}/revoke", "revoke_key", who, self.revoke),
            WebRoute("POST", "/api/keys/{id}/rotate", "rotate_key", who, self.rotate),
        )

    async def all(self, request: Request, principal: Principal) -> Response:
        user_id = text_parameter(request, "user_id") if principal.role == "owner" else principal.user_id
        return json_answer({"keys": [self._shown(key) for key in self._keys.list(user_id)]})

    async def add(self, request: Request, principal: Principal) -> Response:
        body = await read_json(request, AddKeyBody, BODY_BYTES)
        if principal.role != "owner":
            if body.user_id not in (None, principal.user_id):
                raise owner_only("user_id")
            for name in ("rpm", "tpm"):
                if getattr(body, name) is not None:
                    raise owner_only(name)
        key, token = await self._keys.issue(
            user_id=body.user_id or principal.user_id,
            name=body.name,
            models=body.models,
            doors=body.doors,
            expires_at=body.expires_at,
            disconnect=body.disconnect,
            rpm=body.rpm,
            tpm=body.tpm,
        )
        return json_answer({"key": self._shown(key), "token": token}, 201)

    async def change(self, request: Request, principal: Principal) -> Response:
        key = await self._own(request, principal)
        body = await read_json(request, ChangeKeyBody, BODY_BYTES)
        wanted = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
        if principal.role != "owner":
            for name in OWNERS_ONLY:
                if name in wanted:
                    raise owner_only(name)
        return json_answer(self._shown(await self._keys.update(key.id, **wanted)))

    async def revoke(self, request: Request, principal: Principal) -> Response:
        key = await self._own(request, principal)
        await read_json(request, Nothing, BODY_BYTES)
        return json_answer(self._shown(await self._keys.revoke(key.id)))

    async def rotate(self, request: Request, principal: Principal) -> Response:
        key = await self._own(request, principal)
        body = await read_json(request, RotateKeyBody, BODY_BYTES)
        new, token = await self._keys.rotate(key.id, body.overlap_seconds)
        return json_answer({"key": self._shown(new), "token": token}, 201)

    async def _own(self, request: Request, principal: Principal) -> ApiKey:
        """The key of the path, if it is there for this principal. Raises NotFound."""
        key = await self._keys.fetch(request.path_params["id"])
        if principal.role != "owner" and key.user_id != principal.user_id:
            raise key_not_found()
        return key

    def _shown(self, key: ApiKey) -> dict[str, object]:
        user = self._users.find(key.user_id)
        return key_json(key, None if user is None else user.name, now())
