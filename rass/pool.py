"""Models that this process has loaded, and digests of models that it has not."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from curation.console import say
from curation.embedding import Encoder, load_encoder
from curation.records import digest
from curation.storage import file_digest
from rass.models import ChatModel, load_model
from rass.reference.carriers import CARRIERS, WITHOUT_ADAPTER
from rass.reference.weights import adapter_folder


@lru_cache(maxsize=3)
def loaded(name: str) -> ChatModel:
    """A model by name, loaded once in this process; the least recently used of more than three is let go."""
    return load_model(name, report=say)


@lru_cache(maxsize=1)
def encoder(name: str) -> Encoder:
    """An embedding model by name, loaded once in this process."""
    return load_encoder(name)


@lru_cache(maxsize=64)
def model_digest(name: str) -> str:
    """A digest that changes with a model's weights, template or adapter, found without loading it.

    A hub name counts by its name alone: pin a revision by giving a local folder.
    """
    if name.removesuffix(WITHOUT_ADAPTER) in CARRIERS and name not in CARRIERS:
        carrier = CARRIERS[name.removesuffix(WITHOUT_ADAPTER)]
        return digest("reference base", carrier.sha256)[:16]
    if name in CARRIERS:
        carrier = CARRIERS[name]
        adapter = adapter_folder(name) / "adapter_model.safetensors"
        return digest(
            "reference", carrier.sha256, carrier.chat_template, file_digest(adapter) if adapter.exists() else ""
        )[:16]
    folder = Path(name)
    if folder.is_dir():
        files = [
            path for path in sorted(folder.iterdir()) if path.suffix in {".safetensors", ".json", ".jinja", ".model"}
        ]
        return digest("folder", *(f"{path.name}:{file_digest(path)}" for path in files))[:16]
    return digest("hub", name)[:16]
