"""Images kept with messages: checked by their header bytes, stored under random names, sent as data URLs."""

import asyncio
import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from talkmeter.clock import now
from talkmeter.conversation.changes import AddAttachment
from talkmeter.conversation.store import ConversationStore
from talkmeter.errors import NotFound, StoreFull, TooLarge, TooManyPixels, UnsupportedMedia
from talkmeter.ids import new_id
from talkmeter.messages import Attachment
from talkmeter.metering.tokens import ImageInfo, NotAnImage, image_size

NAME_LIMIT = 200  # characters of a file's name that are kept


class Images:
    """folder: where the files lie, inside the data directory."""

    def __init__(self, store: ConversationStore, folder: Path, *, max_bytes: int, max_pixels: int) -> None:
        self._store = store
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels

    @property
    def max_bytes(self) -> int:
        return self._max_bytes

    async def add(self, principal: str, name: str, data: bytes) -> Attachment:
        """Checks, writes (fsynced) and records an upload. Raises TooLarge, UnsupportedMedia or TooManyPixels."""
        attachment = self.described(
            data, id=new_id("file"), principal=principal, name=name, file=new_id("blob"), created_at=now()
        )
        await self.write(attachment, data)
        await self._store.commit(AddAttachment(attachment))
        return attachment

    def described(
        self,
        data: bytes,
        *,
        id: str,  # noqa: A002 (the field's name)
        principal: str,
        name: str,
        file: str,
        created_at: int,
        room_id: str | None = None,
        message_id: str | None = None,
    ) -> Attachment:
        """The row of an image that is in order. Raises TooLarge, UnsupportedMedia or TooManyPixels."""
        info = self._checked(data)
        return Attachment(
            id=id,
            room_id=room_id,
            message_id=message_id,
            principal=principal,
            name=name[:NAME_LIMIT],
            mime=info.mime,
            bytes=len(data),
            width=info.width,
            height=info.height,
            sha256=hashlib.sha256(data).hexdigest(),
            file=file,
            created_at=created_at,
        )

    async def write(self, attachment: Attachment, data: bytes, *, anew: bool = False) -> None:
        """To its file, fsynced. anew: over what a killed process may have left there. Raises StoreFull."""
        try:
            await asyncio.to_thread(_write, self._folder, attachment.file, data, anew=anew)
        except OSError as error:
            raise StoreFull(
                f"The image cannot be written: {error.strerror}.",
                f"이미지를 저장할 수 없습니다: {error.strerror}.",
            ) from error

    def _checked(self, data: bytes) -> ImageInfo:
        if len(data) > self._max_bytes:
            raise TooLarge(
                f"The image has {len(data)} bytes; {self._max_bytes} are allowed.",
                f"이미지가 {len(data)}바이트입니다. {self._max_bytes}바이트까지 올릴 수 있습니다.",
            )
        try:
            info = image_size(data)
        except NotAnImage as error:
            raise UnsupportedMedia(str(error), "PNG, JPEG, WebP, GIF 이미지가 아니거나 손상된 파일입니다.") from error
        if info.width * info.height > self._max_pixels:
            raise TooManyPixels(
                f"The image is {info.width} × {info.height}; {self._max_pixels} pixels are allowed.",
                f"이미지가 {info.width} × {info.height}입니다. {self._max_pixels}픽셀까지 허용됩니다.",
            )
        return info

    async def open(self, principal: str, attachment_id: str) -> tuple[Attachment, Path]:
        """Raises NotFound, for another's image as for none at all."""
        found = await self._store.attachments([attachment_id], principal)
        if not found or not (path := self._folder / found[0].file).is_file():
            raise NotFound(
                f"There is no image {attachment_id}.",
                f"{attachment_id} 이미지가 없습니다.",
                code="attachment_not_found",
            )
        return found[0], path

    async def data_urls(self, attachments: Sequence[Attachment]) -> dict[str, str]:
        """attachment id → data URL, read off the event loop. Raises NotFound if a file is missing on the disk."""
        if not attachments:
            return {}
        return await asyncio.to_thread(lambda: {item.id: _data_url(self._folder, item) for item in attachments})

    async def remove(self, files: Sequence[str]) -> None:
        """Deletes files whose rows are gone; one that is missing already is fine."""
        await asyncio.to_thread(_unlink, self._folder, files)


def _unlink(folder: Path, files: Sequence[str]) -> None:
    for file in files:
        (folder / file).unlink(missing_ok=True)


def _write(folder: Path, file: str, data: bytes, *, anew: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if anew:
        (folder / file).unlink(missing_ok=True)
    descriptor = os.open(folder / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _data_url(folder: Path, attachment: Attachment) -> str:
    try:
        data = (folder / attachment.file).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            f"The file of image “{attachment.name}” is missing in the data directory.",
            f"데이터 디렉터리에 이미지 “{attachment.name}” 파일이 없습니다.",
            code="attachment_file_missing",
            hint="Restore it from a backup, or ask again without it.",
            hint_ko="백업에서 복원하거나 이미지 없이 다시 질문하십시오.",
        ) from error
    return f"data:{attachment.mime};base64,{base64.b64encode(data).decode()}"
