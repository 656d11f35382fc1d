"""Make an English sentence encoder multilingual by imitation (Reimers and Gurevych 2020).

The student keeps the teacher's layers and gets a new multilingual vocabulary. It learns to give a
translation, and the English sentence itself, the teacher's embedding of the English sentence.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from model.tokenizer import MessageTokenizer
from training.parallel import EXTRA_LANGUAGES, ParallelText, read_monolingual, read_parallel
from training.student import RECORD, Sentences, check_layers, continued_student, fresh_student
from training.vocabulary import train_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)
# Few distinct shapes: every new one costs oneDNN a fresh primitive.
LENGTHS = (8, 12, 16, 24, 32, 48, 64)
_MONO_LIMIT = 60_000


@dataclass(frozen=True, slots=True)
class DistilSettings:
    """What shapes a distillation run; stored beside its result."""

    steps: int = 6_000
    batch_tokens: int = 6_144
    embedding_lr: float = 2e-3
    encoder_lr: float = 3e-4
    warmup: int = 100
    decay: float = 0.3
    alpha: float = 0.3
    english_share: float = 0.1
    extra_share: float = 0.15
    contrast: float = 0.1
    temperature: float = 0.05
    negatives: int = 4_096
    vocab_size: int = 40_000
    layers: int = 0
    seed: int = 0
    checkpoint_every: int = 200
    bf16: bool = True


def mean_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of token states ``(batch, length, hidden)`` over ``mask`` ``(batch, length)``."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def build_tokenizer(
    data_dir: Path, languages: Sequence[str], extra: Sequence[str], settings: DistilSettings
) -> Tokenizer:
    """Train the vocabulary on both sides of the parallel texts, monolingual texts and ``extra`` texts."""
    texts: dict[str, list[str]] = {"messages": list(extra)} if extra else {}
    english: set[str] = set()
    for language in tqdm(languages, desc="reading texts"):
        pairs = read_parallel(data_dir / f"parallel/{language}.tsv.gz", language)
        english.update(pairs.english)
        texts[language] = list(dict.fromkeys(pairs.translated))
        mono = data_dir / f"mono/{language}.txt.gz"
        if mono.exists():
            texts[language] += read_monolingual(mono, limit=_MONO_LIMIT)
    texts["en"] = sorted(english)
    return train_tokenizer(texts, vocab_size=settings.vocab_size, alpha=settings.alpha, seed=settings.seed)


@torch.inference_mode()
def teacher_embeddings(teacher: PreTrainedModel, tokenizer: Any, texts: Sequence[str], batch: int = 256) -> np.ndarray:
    """Unit-length teacher embeddings ``(len(texts), hidden)`` as float16, computed in order of length."""
    order = np.argsort([len(text) for text in texts])
    result = np.zeros((len(texts), teacher.config.hidden_size), dtype=np.float16)
    teacher.eval()
    for start in tqdm(range(0, len(order), batch), desc="teacher"):
        index = order[start : start + batch]
        inputs = tokenizer(
            [texts[i] for i in index],
            padding=True,
            truncation=True,
            max_length=64,
            pad_to_multiple_of=8,
            return_tensors="pt",
        )
        with torch.autocast("cpu", torch.bfloat16):
            states = teacher(**inputs).last_hidden_state
        pooled = mean_pool(states.float(), inputs["attention_mask"])
        result[index] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    return result


def language_weights(sizes: Sequence[tuple[str, int]], settings: DistilSettings) -> np.ndarray:
    """Share of the draws for each language of ``(code, sentences)``; sums to 1.

    English and the languages outside the core get fixed shares; inside each group a language is drawn
    in proportion to ``size ** alpha``, so that those with few pairs are not drowned.
    """
    groups = np.array([0 if code == "en" else 2 if code in EXTRA_LANGUAGES else 1 for code, _ in sizes])
    shares = np.array([settings.english_share, 1 - settings.english_share - settings.extra_share, settings.extra_share])
    weights = np.array([size**settings.alpha for _, size in sizes], dtype=float)
    for group, share in enumerate(shares):
        own = groups == group
        weights[own] *= share / max(weights[own].sum(), 1e-9)
    return np.asarray(weights / weights.sum())


def imitation_loss(
    pooled: torch.Tensor, teacher: torch.Tensor, others: torch.Tensor, settings: DistilSettings
) -> torch.Tensor:
    """Cosine distance to the teacher's embedding, and how well that one is told from all others.

    The second part is the cross-entropy between the teacher's and the student's similarities to the
    batch's and ``others``' teacher embeddings (InfoNCE, van den Oord et al. 2018, with the teacher's own
    soft targets in place of one right answer, so that near-duplicates are no mistakes).

    Args:
        pooled: ``(batch, hidden)`` student embeddings.
        teacher: ``(batch, hidden)`` unit-length teacher embeddings of the same sentences.
        others: ``(n, hidden)`` unit-length teacher embeddings of random sentences.
        settings: weight and temperature of the second part.
    """
    student = torch.nn.functional.normalize(pooled, dim=-1)
    distance = 1 - (student * teacher).sum(-1).mean()
    if not settings.contrast:
        return distance
    known = torch.cat([teacher, others])
    wanted = torch.softmax(teacher @ known.T / settings.temperature, dim=-1)
    found = torch.log_softmax(student @ known.T / settings.temperature, dim=-1)
    return distance - settings.contrast * (wanted * found).sum(-1).mean()


def batches(
    sentences: Sequence[Sentences], settings: DistilSettings, start: int, special: tuple[int, int, int]
) -> Iterator[tuple[torch.Tensor, torch.Tensor, np.ndarray]]:
    """Endless batches of one length bucket each: ids, mask ``(batch, length)`` and target rows.

    Step ``n`` draws from its own generator, so that a resumed run sees the batches that an unbroken
    one would have seen.
    """
    pad, cls, sep = special
    weights = language_weights([(item.language, len(item.rows)) for item in sentences], settings)
    bucket_of = [np.searchsorted(LENGTHS, [min(len(row) + 2, LENGTHS[-1]) for row in item.rows]) for item in sentences]
    members = [[np.flatnonzero(buckets == b) for b in range(len(LENGTHS))] for buckets in bucket_of]
    shares = np.array(
        [[len(m) / max(len(item.rows), 1) for m in ms] for item, ms in zip(sentences, members, strict=True)]
    )
    joint = weights[:, None] * shares
    # A batch of a short bucket holds more sentences, so buckets are drawn by their tokens.
    mass = joint.sum(0) * np.array(LENGTHS)
    step = start
    while True:
        rng = np.random.default_rng((settings.seed, step))
        bucket = rng.choice(len(LENGTHS), p=mass / mass.sum())
        length = LENGTHS[bucket]
        size = settings.batch_tokens // length
        by_language = rng.multinomial(size, joint[:, bucket] / joint[:, bucket].sum())
        ids = np.full((size, length), pad, dtype=np.int64)
        targets = np.zeros(size, dtype=np.int64)
        at = 0
        for item, member, count in zip(sentences, members, by_language, strict=True):
            for choice in rng.choice(member[bucket], size=count) if count else ():
                row = item.rows[choice][: length - 2]
                ids[at, 0], ids[at, 1 : len(row) + 1], ids[at, len(row) + 1] = cls, row, sep
                targets[at] = item.target[choice]
                at += 1
        tensor = torch.from_numpy(ids)
        yield tensor, (tensor != pad).long(), targets
        step += 1


def learning_rate_factor(step: int, settings: DistilSettings) -> float:
    """Linear warm-up, constant, then linear to zero over the last ``decay`` share of the steps."""
    remaining = (settings.steps - step) / max(settings.decay * settings.steps, 1)
    return max(0.0, min(1.0, (step + 1) / settings.warmup, remaining))


def _optimizer(student: PreTrainedModel, settings: DistilSettings) -> torch.optim.Optimizer:
    embedding = student.get_input_embeddings().weight
    rest = [parameter for parameter in student.parameters() if parameter is not embedding]
    groups = [
        {"params": [embedding], "lr": settings.embedding_lr, "base": settings.embedding_lr},
        {"params": rest, "lr": settings.encoder_lr, "base": settings.encoder_lr},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.98), fused=True)


def train_student(
    student: PreTrainedModel,
    sentences: Sequence[Sentences],
    targets: np.ndarray,
    special: tuple[int, int, int],
    output: Path,
    settings: DistilSettings,
) -> None:
    """Distil with checkpoints in ``output``; resumes from the last one found there."""
    torch.manual_seed(settings.seed)
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    student.train()
    optimizer = _optimizer(student, settings)
    start = _resume(student, optimizer, output)
    progress = tqdm(total=settings.steps, initial=start, desc="distil", mininterval=5)
    began, tokens, mean_loss = time.time(), 0, 0.0
    for step, (ids, mask, rows) in zip(
        range(start, settings.steps), batches(sentences, settings, start, special), strict=False
    ):
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * learning_rate_factor(step, settings)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            states = student(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = mean_pool(states.float(), mask)
        others = np.random.default_rng((settings.seed, step, 1)).integers(len(targets), size=settings.negatives)
        teacher, random = (torch.from_numpy(targets[index].astype(np.float32)) for index in (rows, others))
        loss = imitation_loss(pooled, teacher, random, settings)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += ids.numel()
        mean_loss = loss.item() if step == start else 0.98 * mean_loss + 0.02 * loss.item()
        progress.update()
        if (step + 1) % 20 == 0:
            progress.set_postfix(loss=f"{mean_loss:.4f}", tokens_s=f"{tokens / (time.time() - began):.0f}")
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            _save(student, optimizer, step + 1, mean_loss, output)
    progress.close()


def _save(student: PreTrainedModel, optimizer: torch.optim.Optimizer, step: int, loss: float, output: Path) -> None:
    student.save_pretrained(output)
    state = {"step": step, "loss": loss, "optimizer": optimizer.state_dict()}
    torch.save(state, output / "state.tmp")
    (output / "state.tmp").replace(output / "state.pt")


def _resume(student: PreTrainedModel, optimizer: torch.optim.Optimizer, output: Path) -> int:
    path = output / "state.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    student.load_state_dict(type(student).from_pretrained(output).state_dict(), strict=False)
    optimizer.load_state_dict(state["optimizer"])
    _log.info("resumed at step %d", state["step"])
    return int(state["step"])


def distil(
    teacher_path: str,
    data_dir: Path,
    output: Path,
    languages: Sequence[str],
    settings: DistilSettings,
    extra_texts: Sequence[str] = (),
    begin: Path | None = None,
) -> None:
    """Build the vocabulary, the first embeddings and the targets (each once), then train the student.

    Everything lands in ``output``, a ``transformers`` checkpoint; a stopped run goes on where it was.
    With ``begin``, the result of an earlier distillation, its vocabulary and weights are the start.

    Raises:
        ValueError: ``output`` was begun with something else, or the settings do not fit ``begin`` or the teacher.
    """
    if begin is not None:
        _check_begin(begin, output, settings)
    output.mkdir(parents=True, exist_ok=True)
    if begin is not None and not (output / "tokenizer.json").exists():
        shutil.copyfile(begin / "tokenizer.json", output / "tokenizer.json")
    translated = [language for language in languages if language != "en"]
    tokenizer_path = output / "tokenizer.json"
    if not tokenizer_path.exists():
        build_tokenizer(data_dir, translated, extra_texts, settings).save(str(tokenizer_path))
    teacher_tokenizer = AutoTokenizer.from_pretrained(teacher_path)
    teacher = AutoModel.from_pretrained(teacher_path, attn_implementation="eager", add_pooling_layer=False)
    check_layers(teacher, settings.layers)
    pairs = [read_parallel(data_dir / f"parallel/{language}.tsv.gz", language) for language in translated]
    english = sorted({text for item in pairs for text in item.english})
    _check_unchanged(output, english, tokenizer_path)
    target_path = output / "targets.npy"
    if not target_path.exists():
        np.save(target_path, teacher_embeddings(teacher, teacher_tokenizer, english))
    targets = np.load(target_path, mmap_mode="r")
    tokenizer = MessageTokenizer.load(tokenizer_path)
    sentences = _encode(pairs, english, tokenizer, output / "rows")
    if (output / "state.pt").exists():
        student = AutoModel.from_pretrained(output, attn_implementation="eager", add_pooling_layer=False)
    elif begin is not None:
        student = continued_student(begin, sentences)
    else:
        student = fresh_student(teacher, teacher_tokenizer, tokenizer_path, sentences, english, settings)
    record = {"teacher": _teacher_name(teacher_path), "languages": list(languages), **asdict(settings)}
    known = output / RECORD
    if begin is not None:
        record["begin"] = json.loads((begin / RECORD).read_text(encoding="utf-8"))
    elif known.is_file() and "begin" in (earlier := json.loads(known.read_text(encoding="utf-8"))):
        record["begin"] = earlier["begin"]
    known.write_text(json.dumps(record, indent=2), encoding="utf-8")
    train_student(student, sentences, targets, (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id), output, settings)


def _check_begin(begin: Path, output: Path, settings: DistilSettings) -> None:
    """Refuse what would quietly be ignored or would scramble the vocabulary."""
    for name in (RECORD, "tokenizer.json", "model.safetensors"):
        if not (begin / name).is_file():
            message = f"{begin} is not the result of `distil`: it has no {name}"
            raise ValueError(message)
    if settings.layers:
        message = "an earlier student keeps its layers; leave the number of layers out"
        raise ValueError(message)
    own = output / "tokenizer.json"
    if own.exists() and own.read_bytes() != (begin / "tokenizer.json").read_bytes():
        message = f"{output} has another vocabulary than {begin}; give another --output"
        raise ValueError(message)


def _check_unchanged(output: Path, english: Sequence[str], tokenizer_path: Path) -> None:
    """Refuse to go on with targets and token rows that were made from other sentences or another vocabulary."""
    digest = hashlib.sha256("\n".join(english).encode("utf-8", "replace"))
    digest.update(tokenizer_path.read_bytes())
    mark = output / "inputs.sha256"
    if mark.exists() and mark.read_text(encoding="ascii") != digest.hexdigest():
        message = f"{output} was begun with other languages, data or vocabulary; give another --output"
        raise ValueError(message)
    mark.write_text(digest.hexdigest(), encoding="ascii")


def _teacher_name(path: str) -> str:
    """The hub id or path as given; for a teacher inside an installed package, the package's name."""
    before, inside, after = path.rpartition("site-packages/")
    return after.split("/")[0] if inside and before else path


def _encode(
    pairs: Sequence[ParallelText], english: Sequence[str], tokenizer: MessageTokenizer, folder: Path
) -> list[Sentences]:
    """Token rows of all languages; kept in ``folder``, so that a run that goes on need not tokenise again."""
    folder.mkdir(exist_ok=True)
    row_of = {text: row for row, text in enumerate(english)}
    items = [("en", list(english), np.arange(len(english)))]
    items += [(p.language, p.translated, np.array([row_of[text] for text in p.english])) for p in pairs]
    result = []
    for language, texts, target in tqdm(items, desc="tokenising"):
        path = folder / f"{language}.npz"
        if not path.exists():
            rows: list[np.ndarray] = []
            for start in range(0, len(texts), 10_000):
                rows += [tokens.ids.astype(np.int32) for tokens in tokenizer.encode(texts[start : start + 10_000])]
            np.savez(path, ids=np.concatenate(rows), lengths=[len(row) for row in rows])
        with np.load(path) as stored:
            result.append(Sentences(language, np.split(stored["ids"], stored["lengths"].cumsum()[:-1]), target))
    return result
