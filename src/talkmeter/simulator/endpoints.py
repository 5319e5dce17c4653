"""Every endpoint whose requests are on the bill."""

from talkmeter.simulator import (
    batches,
    chat,
    embeddings,
    files,
    hearing,
    images,
    legacy,
    moderations,
    responses,
    speech,
)
from talkmeter.simulator.jobs import Endpoint

ENDPOINTS = (
    Endpoint("POST", "/v1/chat/completions", chat.ChatJob, "chat"),
    Endpoint("POST", "/v1/completions", legacy.CompletionJob, "completion"),
    Endpoint("POST", "/v1/embeddings", embeddings.EmbeddingJob, "embedding"),
    Endpoint("POST", "/v1/responses", responses.ResponseJob, "chat"),
    Endpoint("POST", "/v1/responses/input_tokens", responses.InputTokens, "chat"),
    Endpoint("GET", "/v1/responses/{id}", responses.LookUp),
    Endpoint("DELETE", "/v1/responses/{id}", responses.Delete),
    Endpoint("POST", "/v1/responses/{id}/cancel", responses.Cancel),
    Endpoint("GET", "/v1/responses/{id}/input_items", responses.InputItems),
    Endpoint("POST", "/v1/moderations", moderations.ModerationJob, "moderation", "sim-moderation"),
    Endpoint("POST", "/v1/images/generations", images.ImageJob, "image", "sim-image-classic"),
    Endpoint("POST", "/v1/images/edits", images.EditJob, "image", "sim-image", form=True, json_too=True),
    Endpoint("POST", "/v1/audio/speech", speech.SpeechJob, "speech"),
    Endpoint("POST", "/v1/audio/transcriptions", hearing.TranscriptionJob, "transcription", form=True),
    Endpoint("POST", "/v1/audio/translations", hearing.TranslationJob, "transcription", form=True),
    Endpoint("POST", "/v1/files", files.CreateFile, form=True),
    Endpoint("GET", "/v1/files", files.ListFiles),
    Endpoint("GET", "/v1/files/{id}", files.ShowFile),
    Endpoint("DELETE", "/v1/files/{id}", files.DeleteFile),
    Endpoint("GET", "/v1/files/{id}/content", files.FileContent),
    Endpoint("POST", "/v1/batches", batches.CreateBatch),
    Endpoint("GET", "/v1/batches", batches.ListBatches),
    Endpoint("GET", "/v1/batches/{id}", batches.ShowBatch),
    Endpoint("POST", "/v1/batches/{id}/cancel", batches.CancelBatch),
)
