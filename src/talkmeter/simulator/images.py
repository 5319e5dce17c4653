"""POST /v1/images/generations and /v1/images/edits."""

import base64
import zlib
from typing import Any

from talkmeter.simulator import checks
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.counting import text_tokens
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.images_shapes import ClassicDialect, ImageDialect, Look
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.refusals import Refusal

_FIELDS = frozenset(
    """prompt model n quality response_format output_format output_compression stream partial_images size moderation
    background style user""".split()  # noqa: SIM905
)
_EDIT_FIELDS = _FIELDS - {"moderation", "style"} | {"input_fidelity"}
_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")
_CLASSIC_SIZES = ("256x256", "512x512", "1024x1024", "1792x1024", "1024x1792")
_QUALITIES = ("auto", "low", "medium", "high")
_CLASSIC_QUALITIES = ("standard", "hd")
_LONGEST_PROMPT = 32_000  # characters
_PARTIAL_TOKENS = 100  # output tokens of each partial image
_TOKENS_LIKE = "gpt-image-1"


class ImageJob(Job):
    """Images from a text. Models that are charged by the image report no usage."""

    fields = _FIELDS
    what = "image_generation"

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        checks.known(self.body, self.fields)
        self._prompt = checks.text(self.body, "prompt")
        if not self._prompt:
            raise checks.missing("prompt")
        if len(self._prompt) > _LONGEST_PROMPT:
            raise Refusal(400, f"Invalid 'prompt': at most {_LONGEST_PROMPT} characters.", param="prompt")
        self._classic = self.model.name == "sim-image-classic"
        self._n = checks.integer(self.body, "n", 1, 10) or 1
        sizes, qualities = (_CLASSIC_SIZES, _CLASSIC_QUALITIES) if self._classic else (_SIZES, _QUALITIES)
        size = checks.choice(self.body, "size", sizes)
        self._size = "1024x1024" if size in (None, "auto") else str(size)
        quality = checks.choice(self.body, "quality", qualities)
        self._quality = ("standard" if self._classic else "medium") if quality in (None, "auto") else str(quality)
        form = checks.choice(self.body, "response_format", ("url", "b64_json"))
        if form is not None and not self._classic:
            raise Refusal(
                400, "Unknown parameter: 'response_format'.", param="response_format", code="unknown_parameter"
            )
        self._as_url = self._classic and form != "b64_json"
        self.stream = checks.boolean(self.body, "stream")
        if self.stream and self._classic:
            raise Refusal(400, "Streaming is not supported by this model.", param="stream", code="unsupported_value")
        self._partial = checks.integer(self.body, "partial_images", 0, 3) or 0
        self._origin = incoming.origin
        self.images = self._images(incoming)

    def _images(self, incoming: Incoming) -> list[bytes]:
        return []

    def describe(self) -> dict[str, str]:
        """What a row says about the pictures."""
        return {"size": self._size, "quality": self._quality}

    def make(self, fault: Fault) -> Made:
        seed = zlib.crc32(self._prompt.encode("utf-8", "surrogatepass")) + self.service.seed
        served = self.served_model(fault)
        look = Look(self.what, self._size, self._quality, seed, self._n)
        if self._classic:
            origin = self._origin if self._as_url else None
            return Made(ClassicDialect(look, self._prompt, origin), Charge(), model=served)
        truth = self._truth()
        return Made(ImageDialect(look, self._partial if self.stream else 0), truth, model=served)

    def _truth(self) -> Charge:
        from talkmeter.metering.tokens import image_output_tokens

        text = text_tokens(self._prompt, self.name)
        seen = sum(_tokens_of(image) for image in self.images)
        each = image_output_tokens(_TOKENS_LIKE, self._quality, self._size) or 0
        drawn = self._n * each + (self._partial * _PARTIAL_TOKENS if self.stream else 0)
        return Charge(
            prompt_tokens=text + seen,
            prompt_image_tokens=seen,
            completion_tokens=drawn,
            completion_image_tokens=drawn,
        )


class EditJob(ImageJob):
    """Images from a text and other images, which come in a form, or in JSON as data URLs."""

    fields = _EDIT_FIELDS | {"image", "mask", "images"}
    what = "image_edit"

    def _images(self, incoming: Incoming) -> list[bytes]:
        given = [upload.data for upload in incoming.files.get("image", [])]
        for value in incoming.body.get("images") or []:
            url = value.get("image_url", "") if isinstance(value, dict) else ""
            given.append(base64.b64decode(url.partition(",")[2] or b""))
        if not given:
            raise checks.missing("image")
        for data in given:
            _size_of(data)
        return given


def _size_of(data: bytes) -> tuple[int, int]:
    from talkmeter.metering.tokens import NotAnImage, image_size

    try:
        info = image_size(data)
    except NotAnImage as error:
        raise Refusal(400, f"Invalid image: {error}", param="image", code="invalid_image_file") from error
    return info.width, info.height


def _tokens_of(data: bytes) -> int:
    from talkmeter.metering.tokens import image_tokens

    return image_tokens(_TOKENS_LIKE, _size_of(data), "high").tokens


def picture(size: Any, seed: Any) -> bytes:
    """What the URL of a picture leads to."""
    from talkmeter.simulator.pictures import png

    width, height = (int(side) for side in str(size).split("x"))
    return png(width, height, int(seed))
