"""Texts of calls under way, sealed for the moments in which they are kept.

A call of the gateway keeps what its answer has brought so far, in case the process dies; with the settlement that is
deleted. But what a database deletes stays in its free pages and in its log for a while, and in copies of them, and no
text of the gateway is stored anywhere else. So it is sealed with the key that seals provider keys.
"""

import base64
import binascii
import logging

from talkmeter.accounts.secrets import NONCE_BYTES, Sealer
from talkmeter.accounts.store import SealedKey
from talkmeter.errors import SettingError

log = logging.getLogger(__name__)

MARK = "sealed:"


class KeptTexts:
    """Pieces that stand one behind the other; each tells where it ends."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._failed = False

    def seal(self, entry_id: str, text: str) -> str:
        """Empty if there is nothing to keep, or no key to seal it with: then it is not kept at all."""
        if not text:
            return ""
        try:
            sealed = self._sealer.seal(entry_id, text, "text")
        except SettingError as error:
            if not self._failed:  # once, not four times a second
                log.error("texts_not_kept", extra={"reason": error.message})
            self._failed = True
            return ""
        return f"{MARK}{base64.b64encode(sealed.nonce + sealed.ciphertext).decode()};"

    def open(self, entry_id: str, kept: str) -> str | None:
        """The text of all pieces, or what was kept in clear; None if our key is not the one that sealed them."""
        if not kept.startswith(MARK):
            return kept
        pieces = kept.removesuffix(";").split(";")
        try:
            return "".join([self._opened(entry_id, piece.removeprefix(MARK)) for piece in pieces])
        except (SettingError, binascii.Error, ValueError):
            log.warning("kept_text_unreadable", extra={"entry_id": entry_id})
            return None

    def _opened(self, entry_id: str, piece: str) -> str:
        data = base64.b64decode(piece, validate=True)
        return self._sealer.open(entry_id, SealedKey(data[:NONCE_BYTES], data[NONCE_BYTES:], ""), "text")
