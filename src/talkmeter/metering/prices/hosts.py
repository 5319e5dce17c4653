"""Whose price list applies at a base URL. Exact hosts only; the price book knows what others fall back on."""

from functools import lru_cache
from urllib.parse import urlsplit

HOSTS: dict[str, str] = {
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "generativelanguage.googleapis.com": "google",
    "api.groq.com": "groq",
    "api.meta.ai": "meta",
    "api.minimax.io": "minimax",
    "api.minimaxi.com": "minimax",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.novita.ai": "novita",
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.openrouter.ai": "openrouter",
    "oai.endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "x-ai",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
}


@lru_cache(maxsize=256)
def price_provider(base_url: str) -> str:
    """The provider name for `PriceTable.find`: `openai` for OpenAI's address, else the host (and port) itself.

    Own rows may be given for such a host. An address without a host is returned as it is, in lower case.
    """
    netloc = urlsplit(base_url).netloc.lower().rpartition("@")[2]
    host = netloc.removesuffix(":443")
    return HOSTS.get(host, host) or base_url.lower()
