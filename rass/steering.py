"""Steering: a direction added, subtracted or ablated while a model reads and writes. Hooks only; the model is never changed.

    with steered(chat, direction, 0.5):                                  # add half of it at its layer, at every token
    with steered(chat, direction, strengths):                            # each row its own strength
    with steered(chat, direction, action="ablate", layers=range(18)):    # take the component along it out, everywhere
    with steered(chat, direction, action="ablate", reference=-1.0, gate=Gate(-0.2, 0.6)):
        ...                                  # move rows near the boundary, and no others, onto the harmless mean

Contexts nest: an inner one works on what the outer one leaves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from curation.errors import ModelError
from rass.activations.forward import check_layers
from rass.activations.positions import Positions, positions_of
from rass.directions import Direction
from rass.models import ChatModel, check_same_model
from rass.passes import Pass, watched
from rass.strengths import Decision, Gate, Strength, coefficients_of

ALL, PROMPT, GENERATED = "all", "prompt", "generated"

# states (batch, tokens, width) in float32, strength (batch or 1, 1, 1) -> what is added to them
Change = Callable[[Any, Any], Any]


@contextlib.contextmanager
def steered(chat: ChatModel, direction: Direction, coefficients: float | Any = 1.0, *, action: str = "add",
            layers: Sequence[int] | None = None, tokens: Positions = ALL, reference: float | None = None,
            gate: Gate | None = None) -> Iterator[None]:  # fmt: skip
    """Change the output of blocks, the direction's own layer if `layers` is None, as long as the context lasts.

    `coefficients` is one strength for all rows, or one for each, shape (batch,). Actions:
    add, subtract   strength times the direction's vector
    ablate          takes out strength times the component along it (dot product 0 at strength 1); with a `reference`
                    moves that component to where `Direction.project` gives the reference: -1 the harmless mean, 0 the midpoint
    `tokens`: all, prompt, generated, or prompt tokens counted from the end (-1). Padding is never touched.
    """
    _check_direction(chat, direction)
    where = sorted({direction.layer} if layers is None else set(layers))
    check_layers(chat, where)
    chosen = tokens if isinstance(tokens, str) and tokens in {ALL, PROMPT, GENERATED} else positions_of(chat, tokens)
    change = _change(chat, action, direction, reference)
    with watched(chat) as current, contextlib.ExitStack() as hooks:
        strength = coefficients_of(coefficients)
        if gate is not None:
            decision = Decision(gate, gate.direction or direction, current)
            strength = decision.of(strength)
            if gate.values is None:
                _check_gate(chat, decision.direction, where)
                # hung before the change at the same layer: it is decided on what the model itself made
                _hang(hooks, chat, decision.direction.layer, decision.hook)
        for layer in where:
            _hang(hooks, chat, layer, _changing(change, strength, current, chosen))
        yield


def _check_direction(chat: ChatModel, direction: Direction) -> None:
    made_for = str(getattr(direction, "model_digest", ""))
    if made_for:
        check_same_model("the direction", made_for, chat.digest)
    if direction.vector.shape != (chat.hidden_size,):
        raise ModelError(
            f"the direction has {direction.vector.size} values, the residual stream of {chat.name} {chat.hidden_size}",
            fix="make the direction from this model's activations",
        )
    check_layers(chat, [direction.layer])


def _check_gate(chat: ChatModel, direction: Direction, layers: Sequence[int]) -> None:
    _check_direction(chat, direction)
    if layers and direction.layer > min(layers):
        raise ModelError(
            f"a gate in layer {direction.layer} comes too late to steer layer {min(layers)}",
            fix="steer at the gate's layer or above, or measure first and give the gate its values",
        )


def _hang(hooks: contextlib.ExitStack, chat: ChatModel, layer: int, hook: Callable[..., Any]) -> None:
    hooks.callback(chat.layers[layer].register_forward_hook(hook).remove)


def _change(chat: ChatModel, action: str, direction: Direction, reference: float | None) -> Change:
    """The change that an action makes."""
    if reference is not None and action != "ablate":
        raise ModelError(f"the action {action!r} takes no reference", fix="use ablate, or leave the reference out")
    if action == "add":
        return _adding(chat, direction, 1.0)
    if action == "subtract":
        return _adding(chat, direction, -1.0)
    if action == "ablate":
        return _ablating(chat, direction, reference)
    raise ModelError(f"unknown action {action!r}", fix="use add, subtract or ablate")


def _adding(chat: ChatModel, direction: Direction, sign: float) -> Change:
    import torch

    vector = (sign * torch.from_numpy(direction.vector).float()).to(chat.device)
    return lambda states, strength: strength * vector.to(states.device)


def _ablating(chat: ChatModel, direction: Direction, reference: float | None) -> Change:
    import numpy as np
    import torch

    vector = direction.vector.astype("float64")
    length = float(np.linalg.norm(vector))
    if not length:
        raise ModelError("the direction is zero: there is nothing along it", fix="make it from classes that differ")
    unit = vector / length
    target = 0.0
    if reference is not None:  # project() is affine along the unit vector: find where it gives the reference
        at_zero, at_one = (float(value) for value in direction.project(np.stack([0 * unit, unit])))
        target = (reference - at_zero) / (at_one - at_zero)
    along = torch.from_numpy(unit.astype("float32")).to(chat.device)

    def change(states: Any, strength: Any) -> Any:
        here = along.to(states.device)
        return strength * (target - (states.float() @ here).unsqueeze(-1)) * here

    return change


def _changing(change: Change, strength: Strength, current: Pass, chosen: str | tuple[int, ...]) -> Callable[..., Any]:
    """A block's hook that applies a change at the chosen tokens."""
    import torch

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        if chosen == GENERATED if current.reading else chosen not in {ALL, GENERATED}:
            return None
        states = output[0] if isinstance(output, tuple) else output
        moved = states + change(states, strength(states)).to(states.dtype)
        where = _where(current, states, chosen)
        if where is not None:
            moved = torch.where(where.unsqueeze(-1), moved, states)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    return hook


def _where(current: Pass, states: Any, chosen: str | tuple[int, ...]) -> Any:
    """The tokens of this pass to be steered, (batch, tokens) bool; None for all of them."""
    import torch

    real = None if current.real is None else current.real.to(states.device)
    if isinstance(chosen, str):
        return real
    places = torch.arange(states.shape[1], device=states.device)
    from_end = places - current.ends(states)[:, None] - 1
    asked = torch.isin(from_end, torch.tensor(chosen, device=states.device))
    return asked if real is None else asked & real
