"""The audit: all tables over one state of the answers, as JSON, CSV and one HTML page.

An audit is numbered; auditing the same answers again finds the same audit. `audit.json` is written last: a folder without
it is what a killed run left, and is written again.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.quality.agreeing import agreement_table, pair_table
from annotation.quality.bootstrap import RESAMPLES
from annotation.quality.evidence import Evidence
from annotation.quality.judging import Item, abilities, cost_table, item_table, items, judge_by_all, method_table
from annotation.quality.mislabelled import Doubts, doubts
from annotation.quality.people.profile import profiles
from annotation.quality.people.tables import accuracy_table, anchoring_table, confusion_table, habit_table
from annotation.quality.tables import Prompted, Table
from curation.errors import AnnotationError
from curation.records import canonical, digest
from curation.storage import write_text

if TYPE_CHECKING:
    from curation.embedding import Encoder
    from curation.workspace import Workspace

VERSION = 1
_FOLDER = re.compile(r"audit-([0-9]{3,})\Z")


@dataclasses.dataclass(frozen=True)
class Audit:
    """One audit on disk."""

    folder: Path
    head: Mapping[str, Any]
    tables: Mapping[str, Table]

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / "report.html"

    @classmethod
    def read(cls, folder: Path) -> Audit:
        """Read an audit that was finished."""
        raw = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        return cls(folder, raw["audit"], {row["name"]: Table.read(row) for row in raw["tables"]})

    def raw(self) -> dict[str, Any]:
        """The JSON form: what was audited, then every table."""
        return {"audit": dict(self.head), "tables": [table.raw() for table in self.tables.values()]}


def run_audit(
    workspace: Workspace,
    *,
    text_model: bool = True,
    encoder: Encoder | None = None,
    gold: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
) -> Audit:
    """Audit the answers that stand. Without `text_model` no item is looked at for being mislabelled."""
    evidence = Evidence.read(workspace, gold)
    if not evidence.answers:
        raise AnnotationError(f"{workspace.root} has no answers to audit", fix="run `morbench annotate pull` first")
    config = workspace.config
    method = config.queue.aggregation
    settings = {"version": VERSION, "method": method, "resamples": resamples, "seed": config.project.seed,
                "embedding": config.duplicates.embedding if text_model else ""}  # fmt: skip
    mark = digest("audit", canonical(settings), evidence.digest())[:16]
    folder = _folder(workspace.root / "reports", mark)
    if (folder / "audit.json").exists():
        return Audit.read(folder)
    judged = judge_by_all(evidence)
    found, learnt = items(evidence, judged[method]), abilities(evidence)
    doubted = _doubts(workspace, found, encoder) if text_model else Doubts((), 0, {}, "not asked for")
    head = {"name": folder.name, "project": config.project.name, "digest": mark, "settings": settings,
            **_summary(evidence, found, doubted)}  # fmt: skip
    people = profiles(evidence)
    tables = [agreement_table(evidence, resamples), pair_table(evidence, resamples), method_table(evidence, judged, method),
              accuracy_table(people, learnt.ability), habit_table(people), confusion_table(people), anchoring_table(evidence),
              suspect_table(evidence, doubted), cost_table(evidence, found), item_table(evidence, found, judged, learnt.difficulty)]  # fmt: skip
    audit = Audit(folder, head, {table.name: table for table in tables})
    _write(audit, evidence)
    return audit


def suspect_table(evidence: Evidence, doubted: Doubts) -> Table:
    """The items whose verdict a text model doubts."""
    languages = {row.prompt.id: row.prompt.language for row in evidence.answers}
    rows = [[Prompted(row.prompt_id), languages[row.prompt_id], row.label, row.suggested, row.probability]
            for row in doubted.suspects]  # fmt: skip
    return Table.of(
        "suspects", "Likely mislabelled", ("prompt", "language", "people say", "text model says", "P(people's label)"),
        rows, "By confident learning: the probability that a text model, fitted without the item and its siblings, gives "
        "to people's label. The model is weak and can be wrong where people are right: a list to look at, no verdict.",
    )  # fmt: skip


def _doubts(workspace: Workspace, found: list[Item], encoder: Encoder | None) -> Doubts:
    from curation.embedding import load_encoder

    decided = [item for item in found if item.judged.verdict in ("benign", "harmful")]
    if encoder is None and decided:
        encoder = load_encoder(workspace.config.duplicates.embedding)
    if encoder is None:
        return Doubts((), 0, {}, "no item is decided")
    prompts = [item.answers[0].prompt for item in decided]
    return doubts(prompts, [item.judged.verdict for item in decided], encoder, seed=workspace.config.project.seed)


def _summary(evidence: Evidence, found: list[Item], doubted: Doubts) -> dict[str, Any]:
    return {
        "answers": len(evidence.answers),
        "items": len(found),
        "annotators": len(evidence.annotators),
        "languages": list(evidence.languages),
        "simulated": evidence.simulated,
        "practice answers": len(evidence.practice),
        "gold items": len({row.prompt.id for row in evidence.answers} & set(evidence.gold)),
        "adjudicated": len(evidence.adjudicated),
        "controversial": sum(item.judged.verdict == "controversial" for item in found),
        "suspects": len(doubted.suspects),
        "text model": {"items": doubted.items, "reason": doubted.reason,
                       "noise": {label: round(share, 4) for label, share in doubted.noise.items()}},
    }  # fmt: skip


def _folder(reports: Path, mark: str) -> Path:
    """The folder of the audit with this mark, or that of the next number."""
    known = {int(match[1]): path for path in reports.glob("audit-*") if (match := _FOLDER.match(path.name))}
    for _, path in sorted(known.items()):
        if (path / "audit.json").exists() and Audit.read(path).head["digest"] == mark:
            return path
    unfinished = [path for _, path in sorted(known.items()) if not (path / "audit.json").exists()]
    return unfinished[0] if unfinished else reports / f"audit-{max(known, default=0) + 1:03d}"


def _write(audit: Audit, evidence: Evidence) -> None:
    from annotation.quality.report.page import render

    for table in audit.tables.values():
        write_text(audit.folder / "tables" / f"{table.name}.csv", table.csv())
    write_text(audit.page, render(audit, evidence))
    text = json.dumps(audit.raw(), indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
    write_text(audit.folder / "audit.json", text.encode("utf-8", "replace").decode("utf-8") + "\n")
