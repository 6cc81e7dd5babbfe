"""The step that checks whether the project's prompts are in the language they claim, and the same for any texts."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from curation.languages.identifiers import LanguageIdentifier, load_identifier, primary
from curation.languages.judging import TOGETHER, judge_texts
from curation.languages.packs import available_languages, load_pack
from curation.languages.sight import Detection, Sight
from curation.languages.thresholds import thresholds_for
from curation.records import Identification, Prompt, Reject
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace


def identify_texts(
    texts: Sequence[str], languages: Sequence[str] | None = None, *, name: str = "py3langid"
) -> list[Detection]:
    """(detected, confidence) of each text.

    `languages` are those expected, by default all with a built-in pack: between one of them and a close relative that is not
    expected (Indonesian and Malay), the expected one gets what its threshold leaves open, and a short text even more when
    `languages` name it. An empty list expects none.
    """
    known = _built_in_scripts()
    scripts = {code: known[code] for code in (known if languages is None else sorted(set(languages))) if code in known}
    identifier = load_identifier(name)
    found: list[Detection] = []
    for start in range(0, len(texts), TOGETHER):
        sight = Sight.take(texts[start : start + TOGETHER], identifier, list(scripts))
        found += sight.detections(scripts, claimed=languages is not None)
    return found


@functools.lru_cache(maxsize=1)
def _built_in_scripts() -> dict[str, str]:
    return {code: load_pack(code).script for code in available_languages()}


def check_prompts(
    rows: Sequence[Prompt], scripts: Mapping[str, str], minimum: float, identifier: LanguageIdentifier
) -> Output:
    """Identify every prompt; those plainly not in their language are dropped, doubtful ones marked for a person.

    Seeds are people's words: they are recorded as accepted, with what was seen.
    """
    judged = judge_texts([row.text for row in rows], [row.language for row in rows], scripts, identifier, minimum)
    kept: list[Identification] = []
    lost: list[Reject] = []
    for row, found in zip(rows, judged, strict=True):
        if found.decision == "rejected" and row.method != "seed":
            lost.append(Reject(row.id, "identify", found.reason, found.evidence))
            continue
        decision = "accepted" if row.method == "seed" else found.decision
        kept.append(
            Identification(row.id, found.detected, found.confidence, found.script_share, decision, found.reason)
        )
    return Output(kept, lost)


def run_identify(workspace: Workspace, identifier: str = "py3langid") -> Outcome:
    """Check that each of the project's prompts is in its language."""
    scripts = {code: pack.script for code, pack in workspace.packs.items()}
    minimum = workspace.config.language_check.min_script_share
    thresholds = {code: list(thresholds_for(primary(code))) for code in scripts}
    settings: dict[str, Any] = {"identifier": identifier, "languages": scripts, "min_script_share": minimum,
                                "thresholds": thresholds}  # fmt: skip

    def prepare():  # type: ignore[no-untyped-def]
        model = load_identifier(identifier)
        return lambda rows: check_prompts(rows, scripts, minimum, model)

    step = Step("identify", 2, settings, prepare, shard_rows=TOGETHER, title="language check")
    return workspace.run(step, list(workspace.alive(())), Identification)
