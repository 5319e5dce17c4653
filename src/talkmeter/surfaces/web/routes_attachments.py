"""Images: uploaded as raw bytes, given back where they can do nothing."""

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from talkmeter.accounts.principals import Principal
from talkmeter.surfaces.web.access import Access, Body, WebRoute
from talkmeter.surfaces.web.headers import SANDBOX_POLICY
from talkmeter.surfaces.web.reading import file_name, json_answer, read_body
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.translate import attachment_json


class AttachmentRoutes:
    def __init__(self, services: Services) -> None:
        self._images = services.images
        self._settings = services.settings

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.SIGNED_IN
        return (
            WebRoute("POST", "/api/attachments", "add_attachment", who, self.add, Body.FILE),
            WebRoute("GET", "/api/attachments/{id}", "attachment", who, self.open),
        )

    async def add(self, request: Request, principal: Principal) -> Response:
        name = file_name(request)
        data = await read_body(request, self._settings.get("upload_bytes"))
        return json_answer(attachment_json(await self._images.add(principal.user_id, name, data)), 201)

    async def open(self, request: Request, principal: Principal) -> Response:
        attachment, path = await self._images.open(principal.user_id, request.path_params["id"])
        # Asked for again each time: what has been deleted must not come back from a browser's cache.
        etag = f'"{attachment.sha256}"'
        headers = {
            "ETag": etag,
            "Content-Security-Policy": SANDBOX_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-cache",
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        # The name is a suggestion to whoever saves the image; the file lies under a random one.
        return FileResponse(
            path,
            media_type=attachment.mime,
            headers=headers,
            filename=attachment.name,
            content_disposition_type="inline",
        )
