"""Tokens: counted offline, by the encodings and formulas that OpenAI bills with.

Importing this package loads no encoding; the first count does, or `preload`. docs/tokens.md says which
figures are exact, which are estimates, and where each rule comes from.
"""

from talkmeter.metering.tokens.chat import count_prompt, frame_tokens, message_tokens
from talkmeter.metering.tokens.counts import Line, LineKind, MessageCount, PromptCount
from talkmeter.metering.tokens.encodings import (
    ENCODING_NAMES,
    RankDataError,
    UnknownEncoding,
    is_loaded,
    preload,
)
from talkmeter.metering.tokens.guards import (
    LIMIT,
    Quality,
    TextCount,
    TextTooLong,
    Uncountable,
    count_text,
    encode_text,
    measure_text,
)
from talkmeter.metering.tokens.image_header import ImageInfo, NotAnImage, image_size
from talkmeter.metering.tokens.images import (
    ImageCount,
    ImageSizer,
    data_url_size,
    image_output_tokens,
    image_tokens,
)
from talkmeter.metering.tokens.inputs import count_completion, count_embeddings, count_legacy_prompt, count_texts
from talkmeter.metering.tokens.models import EncodingChoice, assume, encoding_for
from talkmeter.metering.tokens.responses import count_responses_prompt

__all__ = [
    "ENCODING_NAMES",
    "LIMIT",
    "EncodingChoice",
    "ImageCount",
    "ImageInfo",
    "ImageSizer",
    "Line",
    "LineKind",
    "MessageCount",
    "NotAnImage",
    "PromptCount",
    "Quality",
    "RankDataError",
    "TextCount",
    "TextTooLong",
    "Uncountable",
    "UnknownEncoding",
    "assume",
    "count_completion",
    "count_embeddings",
    "count_legacy_prompt",
    "count_prompt",
    "count_responses_prompt",
    "count_text",
    "count_texts",
    "data_url_size",
    "encode_text",
    "encoding_for",
    "frame_tokens",
    "image_output_tokens",
    "image_size",
    "image_tokens",
    "is_loaded",
    "measure_text",
    "message_tokens",
    "preload",
]
