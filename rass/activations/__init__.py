"""Activations of the residual stream: any layers, at any tokens counted from the end of the prompt.

collect        arrays in memory, and the first-token refusal score
stream_means   mean, count and spread per group, in memory that does not grow with the prompts
store          shards on disk that a killed run goes on with
"""

from rass.activations.collecting import Activations, collect
from rass.activations.forward import opening_log_odds
from rass.activations.means import Means, read_means, stream_means, write_means
from rass.activations.positions import AFTER_INSTRUCTION, LAST, Positions, positions_of
from rass.activations.stored import StoredActivations, open_stored, store

__all__ = [
    "AFTER_INSTRUCTION",
    "LAST",
    "Activations",
    "Means",
    "Positions",
    "StoredActivations",
    "collect",
    "open_stored",
    "opening_log_odds",
    "positions_of",
    "read_means",
    "store",
    "stream_means",
    "write_means",
]
