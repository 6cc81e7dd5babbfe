"""The tables of a probe report; every number and every point of its pictures stands in one of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.storage import write_text
from rass import metrics
from rass.boundary import harm_layers
from rass.directions import cosine
from rass.probes import fit_layered
from rass.report.study import Study

if TYPE_CHECKING:
    import numpy as np

POOLED = "all"
COMPONENTS = 50  # principal components that the non-linear map starts from

Row = dict[str, Any]


def all_tables(study: Study, layer: int, seed: int) -> dict[str, list[Row]]:
    """Every table by name; `layer` is the boundary's."""
    return {
        "metrics": metric_rows(study),
        "transfer": transfer_rows(study),
        "projections": projection_rows(study),
        "cosines": cosine_rows(study, layer),
        "reliability": reliability_rows(study),
        **map_rows(study, layer, seed),
    }


def metric_rows(study: Study) -> list[Row]:
    """AUROC, TPR at 1 % FPR, calibration and accuracy in the band, with intervals, per language and pooled."""
    import numpy as np

    kinds, languages = study.kinds, study.languages
    probability = 1 / (1 + np.exp(-study.margin))
    asked: list[tuple[str, str, Callable[[np.ndarray, np.ndarray], float], np.ndarray, np.ndarray, np.ndarray]] = [
        ("harmful vs harmless", "AUROC", metrics.auroc, study.harm, kinds == "harmful", kinds != "benign"),
        ("harmful vs harmless", "TPR at 1 % FPR", metrics.recall_at_false_positives, study.harm, kinds == "harmful", kinds != "benign"),
        ("harmful vs benign", "AUROC", metrics.auroc, study.harm, kinds == "harmful", kinds != "harmless"),
        ("refused vs answered", "AUROC", metrics.auroc, study.margin, study.refused, kinds != ""),
        ("refused vs answered", "ECE", metrics.calibration_error, probability, study.refused, kinds != ""),
        ("refused vs answered", "accuracy in the band", metrics.band_accuracy, study.margin, study.refused, kinds != ""),
        ("benign refused vs answered", "AUROC", metrics.auroc, study.margin, study.refused, kinds == "benign"),
        ("benign refused vs answered", "ECE", metrics.calibration_error, probability, study.refused, kinds == "benign"),
    ]  # fmt: skip
    rows = []
    for task, name, metric, scores, truth, rows_of_task in asked:
        for language in [POOLED, *sorted(set(languages.tolist()))]:
            here = rows_of_task & ((languages == language) | (language == POOLED))
            if not here.any():
                continue
            found = metrics.estimate(metric, scores[here], truth[here])
            rows.append({"target": study.target, "task": task, "metric": name, "language": language, **found._asdict()})
    return rows


def transfer_rows(study: Study) -> list[Row]:
    """AUROC of a harm probe trained in one language and tested in another; in its own language, held out."""
    import numpy as np

    kinds, languages = study.kinds, study.languages
    layers = harm_layers(max(study.hidden) + 1)
    known = sorted(set(languages.tolist()))
    rows = []
    for train in known:
        learn = (languages == train) & (kinds != "benign")
        if len(set(kinds[learn].tolist())) < 2:
            continue
        scores = fit_layered(study.hidden, layers, kinds == "harmful", learn).logits(study.hidden)
        for test in known:
            here = (languages == test) & (kinds != "benign")
            values = study.harm if test == train else scores
            found = metrics.estimate(metrics.auroc, np.asarray(values)[here], (kinds == "harmful")[here], resamples=200)
            rows.append({"train": train, "test": test, **found._asdict()})
    return rows


def projection_rows(study: Study) -> list[Row]:
    """Quartiles of the projection onto the pooled harm direction, by layer, language and kind."""
    import numpy as np

    kinds, languages = study.kinds, study.languages
    rows = []
    for layer, states in sorted(study.hidden.items()):
        projection = study.directions(layer)[""].project(states)
        for language in sorted(set(languages.tolist())):
            for kind in ("harmless", "benign", "harmful"):
                here = projection[(languages == language) & (kinds == kind)]
                if len(here):
                    low, middle, high = np.quantile(here, (0.25, 0.5, 0.75))
                    rows.append({"layer": layer, "language": language, "kind": kind, "low": float(low),
                                 "median": float(middle), "high": float(high), "n": len(here)})  # fmt: skip
    return rows


def cosine_rows(study: Study, layer: int) -> list[Row]:
    """Cosine between the languages' own harm directions in one layer."""
    found = {code: each for code, each in study.directions(layer).items() if code}
    return [{"layer": layer, "one": one, "other": other, "cosine": cosine(found[one], found[other])}
            for one in found for other in found]  # fmt: skip


def reliability_rows(study: Study) -> list[Row]:
    """The reliability curve of P(refuses), pooled and for benign prompts alone."""
    import numpy as np

    probability = 1 / (1 + np.exp(-study.margin))
    benign = study.kinds == "benign"
    parts = {"every seed": np.ones(len(benign), bool), "benign, near the boundary": benign}
    return [{"prompts": name, **each._asdict()} for name, mask in parts.items()
            for each in metrics.reliability(probability[mask], study.refused[mask])]  # fmt: skip


def map_rows(study: Study, layer: int, seed: int) -> dict[str, list[Row]]:
    """Each prompt's place in two maps of the layer (PCA, t-SNE), and the line that parts refused from answered in PCA.

    The line is where a logistic regression on the two principal components gives 1/2: the boundary as far as two
    dimensions can show it, not the boundary itself.
    """
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.manifold import TSNE

    states = study.hidden[layer].astype("float64")
    components = PCA(min(COMPONENTS, *states.shape), random_state=seed).fit_transform(states)
    flat = components[:, :2]
    if flat.shape[1] < 2:
        flat = np.column_stack([flat, np.zeros(len(flat))])
    perplexity = min(30.0, max(2.0, (len(flat) - 1) / 4))
    curved = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(components)
    points = [{"id": row.id, "language": row.language, "kind": kind, "refused": int(refused), "pca_1": float(a), "pca_2": float(b),
               "tsne_1": float(c), "tsne_2": float(d), "margin": float(margin)}
              for row, kind, refused, (a, b), (c, d), margin in zip(study.prompts, study.kinds, study.refused, flat, curved,
                                                                    study.margin, strict=True)]  # fmt: skip
    model = LogisticRegression(max_iter=1000).fit(flat / flat.std(0).clip(1e-9), study.refused)
    slope = model.coef_[0] / flat.std(0).clip(1e-9)
    normal = slope / max(float(np.linalg.norm(slope)), 1e-12)
    foot = -float(model.intercept_[0]) / max(float(np.linalg.norm(slope)), 1e-12) * normal
    along = np.array([-normal[1], normal[0]])
    reach = float(np.abs(flat).max()) * 2
    line = [{"pca_1": float(x), "pca_2": float(y)} for x, y in (foot - reach * along, foot + reach * along)]
    return {"map": points, "line": line}


def write_tables(folder: Path, tables: dict[str, list[Row]]) -> None:
    """One CSV file for each table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_text(folder / f"{name}.csv", _csv(rows))


def read_table(path: Path) -> list[dict[str, str]]:
    """A table as it was written; every cell a text."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def _csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else ["empty"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rounded(rows))
    return buffer.getvalue()


def _rounded(rows: Iterable[Row]) -> Iterable[Row]:
    """Six digits: enough for every reader, and the same on machines whose last bits differ."""
    for row in rows:
        yield {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
