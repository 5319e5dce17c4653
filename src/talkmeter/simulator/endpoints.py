"""Every endpoint whose requests are on the bill."""

from talkmeter.simulator import chat, embeddings, legacy, responses
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
)
