"""Steering: adding a direction at a layer while a model reads and writes. Hooks only; the model itself is never changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rass.directions import Direction
from rass.models import ChatModel


@contextlib.contextmanager
def steered(chat: ChatModel, direction: Direction, coefficients: float | Any) -> Iterator[None]:
    """Add `coefficients` times the direction to the output of its layer, at every position.

    A scalar steers every row alike; a tensor of shape (batch,) gives each row its own strength.
    """
    import torch

    vector = torch.from_numpy(direction.vector).to(chat.device)
    strength = torch.as_tensor(coefficients, dtype=torch.float32, device=chat.device).reshape(-1, 1, 1)

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        states = output[0] if isinstance(output, tuple) else output
        moved = states + (strength * vector).to(states.dtype)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    handle = chat.layers[direction.layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
