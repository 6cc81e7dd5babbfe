"""Gates: what must hold before a version may be published. A version that fails one is a draft, and says why."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from curation.records import normalise


class Gate(NamedTuple):
    """One condition on a version."""

    name: str
    held: bool
    evidence: str


def check_gates(rows: list[dict[str, Any]], languages: tuple[str, ...], min_responses: int) -> list[Gate]:
    """Judge the rows of a version."""
    simulated = sum(row["simulated"] for row in rows)
    thin = sum(row["responses"] < min_responses for row in rows)
    sides = [language for language in languages for verdict in ("benign", "harmful")
             if not any(row["language"] == language and row["verdict"] == verdict for row in rows)]  # fmt: skip
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        splits[row["language"], normalise(row["text"])].add(row["split"])
    crossing = sum(len(found) > 1 for found in splits.values())
    return [
        Gate("people_only", simulated == 0, f"{simulated} of {len(rows)} rows hold a simulated response"),
        Gate("enough_responses", thin == 0, f"{thin} rows have fewer than {min_responses} responses"),
        Gate(
            "both_sides",
            not sides,
            f"languages without a benign or a harmful row: {', '.join(sorted(set(sides))) or 'none'}",
        ),
        Gate("splits_apart", crossing == 0, f"{crossing} texts stand in two splits"),
    ]
