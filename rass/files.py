"""Probing a plain file outside any project."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from curation.errors import InputError
from curation.files import check_output, read_rows, write_rows
from curation.languages.packs import available_languages, load_pack
from curation.records import REFUSED, make_prompt
from curation.refusals.labelling import label_texts
from rass.boundary import fit_boundary, measure
from rass.openings import opening_tokens
from rass.pool import loaded
from rass.replies import generate_replies


def probe_file(file: Path, out: Path | None, target: str, language: str) -> dict[str, Any]:
    """Fit the target's boundary on the packs' seeds of the file's languages and write a margin to each row."""
    target_file = check_output(out, file)
    rows = read_rows(file, required=("prompt",), language=language)
    codes = sorted({row["language"] for row in rows})
    missing = sorted(set(codes) - set(available_languages()))
    if missing:
        raise InputError(
            f"{file}: no language pack for {', '.join(missing)}", fix=f"known: {', '.join(available_languages())}"
        )
    packs = {code: load_pack(code) for code in codes}
    chat = loaded(target)
    seeds = [seed for pack in packs.values() for seed in (*pack.benign, *pack.harmful, *pack.harmless)]
    replies = generate_replies(chat, [seed.text for seed in seeds], max_new_tokens=28, batch_size=32)
    labels = label_texts([reply.text for reply in replies], [seed.language for seed in seeds], packs)
    boundary = fit_boundary(target, chat, seeds, [label.label in REFUSED for label in labels],
                            opening_tokens(chat, packs.values()), seed=7)  # fmt: skip
    prompts = [
        make_prompt(row["prompt"], row["language"], category="imported", intent="unknown", method="import")
        for row in rows
    ]
    margins = measure(chat, boundary, prompts)
    for row, margin in zip(rows, margins, strict=True):
        row.update(
            target=target,
            margin=margin.margin,
            margin_low=margin.low,
            margin_high=margin.high,
            probability=margin.probability,
            projection=margin.projection,
            refusal_score=margin.refusal_score,
        )
    write_rows(target_file, rows)
    by_language: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_language[row["language"]].append(row["probability"])
    return {"out": str(out), "target": target, "layer": boundary.direction.layer,
            "languages": [{"language": code, "rows": len(found), "mean_probability": round(sum(found) / len(found), 3),
                           "refusing_side": sum(value > 0.5 for value in found)}
                          for code, found in sorted(by_language.items())]}  # fmt: skip
