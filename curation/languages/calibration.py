"""Thresholds of the language check, taken from the packs' own texts and from those of their neighbours."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from curation.languages.identifiers import LanguageIdentifier, primary
from curation.languages.packs import Pack
from curation.languages.sight import Sight, windows
from curation.languages.thresholds import Thresholds
from curation.records import digest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VARIETIES = Path(__file__).parent / "varieties.toml"
COMBINATIONS = 300  # of a pack's grammar; more of them say the same again
LOST = 0.005  # share of a language's own texts that may fall under `reject`
ASKED = 0.05  # share of them that may be shown to people, whatever close relatives there are
STRAY = 0.01  # share of a neighbour's texts that may lie above `accept`
MOST_PATIENT, LEAST_PATIENT = -1.4, -0.4  # bounds of `reject`: four times less likely, and about a tie
EARLIEST, LATEST = 0.0, 1.0  # bounds of `accept`: a language that is not the likeliest is never accepted unseen
WINDOW_LOST, WINDOW_BELOW, WINDOW_AT_MOST = 0.001, 1.0, -2.0


class Variety(NamedTuple):
    """A language without a pack that is written much like another one, with some texts in it."""

    code: str
    name: str
    near: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def for_calibration(self) -> tuple[str, ...]:
        """The half of the texts that thresholds are set on."""
        return self.texts[::2]

    @property
    def for_measuring(self) -> tuple[str, ...]:
        """The other half."""
        return self.texts[1::2]


def load_varieties() -> list[Variety]:
    """The close relatives of the packs' languages, and of each other."""
    raw = tomllib.loads(VARIETIES.read_text(encoding="utf-8"))
    return [Variety(code, row["name"], tuple(row["near"]), tuple(row["texts"])) for code, row in raw.items()]


def own_texts(pack: Pack) -> list[str]:
    """A pack's seeds, and as many of its grammar's combinations as are needed, drawn by their digest."""
    seeds = [seed.text for seed in (*pack.benign, *pack.harmful, *pack.harmless)]
    filled = {text for block in pack.grammar for text, _ in block.combinations()} - set(seeds)
    return seeds + sorted(filled, key=lambda text: digest("calibration", text))[:COMBINATIONS]


def calibrate(
    packs: Mapping[str, Pack], varieties: Sequence[Variety], identifier: LanguageIdentifier
) -> dict[str, Thresholds]:
    """Thresholds for each pack's language."""
    import numpy as np

    codes = list(packs)
    own = {code: own_texts(pack) for code, pack in packs.items()}
    sights = {code: Sight.take(texts, identifier, codes) for code, texts in own.items()}
    foreign = {variety.code: Sight.take(variety.for_calibration, identifier, codes) for variety in varieties}
    found = {}
    for code in sorted(packs):
        leads = sights[code].leads(code)
        reject = float(np.clip(np.quantile(leads, LOST), MOST_PATIENT, LEAST_PATIENT))
        others = [
            sight.leads(code) for other, sight in {**foreign, **sights}.items() if primary(other) != primary(code)
        ]
        stray = max((float(np.quantile(each, 1 - STRAY)) for each in others), default=reject)
        accept = float(np.clip(min(stray, np.quantile(leads, ASKED)), EARLIEST, LATEST))
        pieces = [piece for text in own[code] for piece in windows(text)]
        lowest = np.quantile(Sight.take(pieces, identifier, codes).leads(code), WINDOW_LOST) if pieces else 0.0
        window = min(WINDOW_AT_MOST, float(lowest) - WINDOW_BELOW)
        found[code] = Thresholds(round(reject, 2), round(accept, 2), round(window, 2))
    return found


def thresholds_text(found: Mapping[str, Thresholds], identifier: str) -> str:
    """The file that `thresholds_for` reads."""
    head = f"# Made by scripts/calibrate_languages with {identifier} from the packs and varieties.toml; see thresholds.py for what they mean.\n"
    parts = [f"\n[{code}]\n" + "".join(f"{key} = {value}\n" for key, value in row._asdict().items())
             for code, row in sorted(found.items())]  # fmt: skip
    return head + "".join(parts)
