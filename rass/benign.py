"""Is a prompt benign? Evidence that never looks at a target: how it was made, what it says, and who judged it.

Log-odds add up (each kind of evidence counted as independent of the others):

    logit P(benign) = construction + clip(-harm, 4) + clip(judge, 4)

Construction is what the prompt's origin is worth; harm the classifier's calibrated log-odds at even odds; the judge's is 0
where there is none or it failed. Construction starts from `PRIOR` and is moved by what people said of prompts of the same origin. Where
people have judged the very prompt, their posterior stands alone. Simulated answers count for nothing here.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from curation.embedding import Encoder
from curation.languages.packs import load_pack
from curation.records import Prompt, Verdict, canonical, digest
from curation.storage import write_atomically
from rass.harm import Example, HarmModel, examples_of, fit_harm
from rass.pool import encoder

if TYPE_CHECKING:
    import numpy as np

    from curation.workspace import Workspace

VERSION = 1
# origin -> benign and harmful verdicts that people are taken to have given before any were asked
PRIOR: dict[str, tuple[float, float]] = {
    "written by people as benign": (24, 1),
    "grammar": (19, 1),
    "benign side of a pair": (4, 2),
    "meant as benign": (6, 2),
    "unknown": (1, 1),
    "meant as harmful": (1, 9),
}
GRAMMARS = frozenset(
    {"mutation", "evolution", "debugging"}
)  # methods whose benign prompts are combinations of a grammar
LARGEST = 4.0  # log-odds that one kind of evidence may bring
TAUGHT = 4.0  # weight of a prompt that people judged, beside a seed's 1


class Judge(Protocol):
    """Anything that tells harmful from benign prompts, for instance a large model behind an endpoint."""

    def benign(self, prompts: Sequence[Prompt]) -> list[float]:
        """P(benign) of each prompt, nan where it could not be judged."""


class Evidence(NamedTuple):
    """P(benign) of one prompt, and what it rests on."""

    prompt_id: str
    probability: float
    words: str


def origin(prompt: Prompt) -> str:
    """Where a prompt comes from, as far as that says something about its being benign: a key of PRIOR."""
    side = json.loads(prompt.detail).get("side", "")
    if prompt.intent == "harmful" or side == "harmful":
        return "meant as harmful"
    if side == "benign":
        return "benign side of a pair"
    if prompt.intent != "benign":
        return "unknown"
    if prompt.method == "seed":
        return "written by people as benign"
    return "grammar" if prompt.method in GRAMMARS else "meant as benign"


@dataclasses.dataclass(frozen=True)
class BenignCheck:
    """All evidence that a project has."""

    harm: HarmModel
    encoder: Encoder
    verdicts: Mapping[str, Verdict]  # of people, by prompt
    odds: Mapping[str, float]  # log-odds of each origin
    judge: Judge | None = None

    def evidence(self, prompts: Sequence[Prompt], vectors: np.ndarray | None = None) -> list[Evidence]:
        """Evidence for each prompt; `vectors` are its embeddings where they are at hand."""
        if not prompts:
            return []
        vectors = self.encoder.encode([row.text for row in prompts]) if vectors is None else vectors
        harm = self.harm.logits(vectors, [row.language for row in prompts])
        judged = self.judge.benign(prompts) if self.judge else [math.nan] * len(prompts)
        return [self._weigh(*row) for row in zip(prompts, harm.tolist(), judged, strict=True)]

    def _weigh(self, prompt: Prompt, harm: float, judged: float) -> Evidence:
        verdict = self.verdicts.get(prompt.id)
        if verdict is not None:
            return Evidence(prompt.id, 1 - verdict.posterior,
                            f"people: {verdict.verdict}, {verdict.responses} responses")  # fmt: skip
        made = origin(prompt)
        total = self.odds[made] + _clip(-harm)
        words = [f"origin: {made}", f"classifier {_sigmoid(-harm):.2f}"]
        if not math.isnan(judged):
            total += _clip(math.log(max(judged, 1e-9)) - math.log(max(1 - judged, 1e-9)))
            words.append(f"judge {judged:.2f}")
        return Evidence(prompt.id, _sigmoid(total), "; ".join(words))


def benign_check(workspace: Workspace, judge: Judge | None = None) -> BenignCheck:
    """The benign check of a project: fitted to its packs (and the English one) and to what people said."""
    loaded = encoder(workspace.config.duplicates.embedding)
    prompts = workspace.prompts()
    verdicts = people_verdicts(workspace)
    examples = training_examples(workspace)
    vectors = training_vectors(workspace, examples)
    taught = [(prompts[key], verdict) for key, verdict in sorted(verdicts.items())
              if key in prompts and verdict.verdict != "controversial"]  # fmt: skip
    if taught:
        import numpy as np

        vectors = np.concatenate([vectors, loaded.encode([row.text for row, _ in taught])])
        examples += [Example(row.text, row.language, verdict.verdict, TAUGHT) for row, verdict in taught]
    odds = origin_odds((origin(row), verdict.verdict) for row, verdict in taught)
    return BenignCheck(fit_harm(vectors, examples), loaded, verdicts, odds, judge)


def people_verdicts(workspace: Workspace) -> dict[str, Verdict]:
    """What people said, by prompt."""
    return {row.prompt_id: row for row in workspace.table(Verdict).rows() if not row.simulated}


def origin_odds(judged: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Log-odds of each origin: its prior counts and the verdicts on prompts of that origin."""
    counts = Counter(judged)
    return {name: math.log((benign + counts[name, "benign"]) / (harmful + counts[name, "harmful"]))
            for name, (benign, harmful) in PRIOR.items()}  # fmt: skip


def training_examples(workspace: Workspace) -> list[Example]:
    """What the harm classifier of a project learns from, beside verdicts."""
    codes = sorted({*workspace.config.project.languages, "en"})
    return examples_of(workspace.packs.get(code) or load_pack(code, workspace.languages_folder) for code in codes)


def benign_key(workspace: Workspace) -> str:
    """Changes with all that decides the check but the judge."""
    verdicts = sorted(canonical(dataclasses.asdict(row)) for row in people_verdicts(workspace).values())
    examples = (f"{one.language} {one.kind} {one.text}" for one in training_examples(workspace))
    return digest("benign", str(VERSION), workspace.config.duplicates.embedding, *examples, "verdicts", *verdicts)[:16]


def training_vectors(workspace: Workspace, examples: Sequence[Example]) -> np.ndarray:
    """Embeddings of the training texts, made once in a project."""
    from safetensors.numpy import load_file, save

    embedding = workspace.config.duplicates.embedding
    key = digest("vectors", embedding, *(one.text for one in examples))[:16]
    path = workspace.root / "benign" / f"vectors-{key}.safetensors"
    if not path.exists():
        data = save({"vectors": encoder(embedding).encode([one.text for one in examples])})
        write_atomically(path, lambda file: file.write(data))
    vectors: np.ndarray = load_file(path)["vectors"]
    return vectors


def _clip(odds: float) -> float:
    return max(-LARGEST, min(LARGEST, odds))


def _sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
