"""What a forward pass holds: prompt tokens or a generated one, which of its tokens are padding, where each prompt ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rass.models import ChatModel


class Pass:
    """The pass under way. One over several tokens, or with an empty cache, reads a prompt; any other writes a token."""

    def __init__(self) -> None:
        self.reading = True
        self.real: Any = None  # (batch, tokens) bool, False at padding; None where nothing is known to be padding

    def look(self, _module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Forward pre-hook of the whole model."""
        self.real = None
        self.look_inside(_module, inputs, named)

    def look_inside(self, _module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Forward pre-hook of the decoder, which may be run alone, and may be given a mask that the model made of its own."""
        tokens = next((named[name] for name in ("input_ids", "inputs_embeds") if named.get(name) is not None), None)
        length = (inputs[0] if tokens is None else tokens).shape[1]
        cache = named.get("past_key_values")
        self.reading = length > 1 or cache is None or int(cache.get_seq_length()) == 0
        mask = named.get("attention_mask")
        if not self.reading or mask is None:
            self.real = None
        elif getattr(mask, "ndim", 0) == 2:
            self.real = mask[:, -length:].bool()

    def ends(self, states: Any) -> Any:
        """Index of each row's last prompt token, (batch,)."""
        import torch

        length = states.shape[1]
        if self.real is None:
            return torch.full((states.shape[0],), length - 1, device=states.device)
        places = torch.arange(length, device=states.device)
        return (self.real.to(states.device) * places).argmax(1)


@contextlib.contextmanager
def watched(chat: ChatModel) -> Iterator[Pass]:
    """Follow the passes of a model while the context lasts."""
    current = Pass()
    handles = [
        chat.model.register_forward_pre_hook(current.look, with_kwargs=True),
        chat.decoder.register_forward_pre_hook(current.look_inside, with_kwargs=True),
    ]
    try:
        yield current
    finally:
        for handle in handles:
            handle.remove()
