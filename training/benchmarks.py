"""Measure a checkpoint on public test sets, most of them for evaluation only (see their licences).

None of these sets is trained on, save that BRIGHTER's own train part shapes the emotion heads.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import f1_score, roc_auc_score
from tqdm import tqdm

from model.checkpoint import TOKENIZER, Checkpoint
from model.network import KalmForScoring
from model.tokenizer import MessageTokenizer
from training.batches import collate
from training.examples import EMOTIONS, Example
from training.public import BRIGHTER, brighter_part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from model.scorer import Scorer

_BATCH = 32
_THRESHOLDS = np.arange(0.1, 0.91, 0.02)


class EmotionHeads:
    """The emotion heads of a checkpoint, which the serving graph leaves out.

    Raises:
        ValueError: the checkpoint was trained without them.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model = KalmForScoring.from_pretrained(checkpoint.directory, dtype=torch.float32).eval()
        if self._model.emotion_head is None:
            message = f"{checkpoint.directory} has no emotion heads; train with --emotions"
            raise ValueError(message)
        self._tokenizer = MessageTokenizer.load(checkpoint.directory / TOKENIZER)
        self._max_tokens = checkpoint.scoring.window_tokens + 2

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Probability of each emotion ``(len(texts), emotions)``; texts are cut at one window."""
        result = np.zeros((len(texts), len(self._model.config.emotions)))
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            chosen = [Example("", texts[i], "", "") for i in rows]
            batch = collate(chosen, [e.text for e in chosen], self._tokenizer, self._max_tokens, emotions=False)
            output = self._model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
            result[rows] = output.emotion_logits.sigmoid().numpy()
        return result


@dataclass(frozen=True, slots=True)
class _Part:
    """One language of BRIGHTER: which emotions it labels, labels ``(n, known)`` and probabilities alike."""

    known: list[int]
    labels: np.ndarray
    probabilities: np.ndarray
    anger: np.ndarray


def brighter(scorer: Scorer, data_dir: Path, split: str = "dev") -> dict[str, Any]:
    """Macro-F1 over the labelled emotions and AUC of anger, for each language of BRIGHTER (Muhammad et al. 2025).

    Thresholds are one an emotion for all languages; those of a language are chosen on the other languages.
    """
    heads = EmotionHeads(scorer.checkpoint)
    parts = {}
    for code in tqdm(BRIGHTER, desc="BRIGHTER"):
        examples = list(brighter_part(data_dir / "labelled", code, split))
        known = [i for i, name in enumerate(EMOTIONS) if name in examples[0].emotions]
        texts = [example.text for example in examples]
        labels = np.array([[example.emotions[EMOTIONS[i]] for i in known] for example in examples])
        scores = np.array([score.anger.score for score in scorer.score(texts)])
        parts[code] = _Part(known, labels, heads.probabilities(texts)[:, known], scores)
    languages = {code: _language(code, parts) for code in parts}
    mean = {name: float(np.mean([own[name] for own in languages.values()])) for name in next(iter(languages.values()))}
    thresholds = _best_thresholds(list(parts.values()))
    return {"mean": mean, **languages, "thresholds": dict(zip(EMOTIONS, thresholds, strict=True))}


def _language(code: str, parts: dict[str, _Part]) -> dict[str, float]:
    own = parts[code]
    thresholds = np.array(_best_thresholds([part for other, part in parts.items() if other != code]))[own.known]
    anger = own.labels[:, own.known.index(0)]
    return {
        "macro_f1": float(f1_score(own.labels, own.probabilities >= thresholds, average="macro", zero_division=0)),
        "anger_auc": float(roc_auc_score(anger, own.anger)),
        "anger_head_auc": float(roc_auc_score(anger, own.probabilities[:, own.known.index(0)])),
    }


def _best_thresholds(parts: Sequence[_Part]) -> list[float]:
    """For each emotion the threshold with the best mean F1 over the parts."""
    best = []
    for emotion in range(len(EMOTIONS)):
        pairs = [
            (part.labels[:, part.known.index(emotion)], part.probabilities[:, part.known.index(emotion)])
            for part in parts
            if emotion in part.known
        ]
        means = [np.mean([f1_score(y, p >= t, zero_division=0) for y, p in pairs]) for t in _THRESHOLDS]
        best.append(float(_THRESHOLDS[int(np.argmax(means))]))
    return best


def nl_tv(scorer: Scorer, data_dir: Path) -> dict[str, float]:
    """Anger in Dutch television lines: AUC, and F1 at the threshold that is best on one half, on the other half.

    Lines of disgust are left out, as the set's own notes ask (they were written by a machine).
    """
    with gzip.open(data_dir / "labelled/nl_tv_emotions/train.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = [(row["Corrected Sentence"], row["main_emotion"]) for row in csv.DictReader(lines)]
    rows = [(text, emotion) for text, emotion in rows if text and emotion and emotion != "disgust"]
    truth = np.array([emotion == "anger" for _, emotion in rows])
    scores = np.array([score.anger.score for score in scorer.score([text for text, _ in rows])])
    halves = [np.arange(len(rows)) % 2 == side for side in (0, 1)]
    found = []
    for fit, test in (halves, halves[::-1]):
        grid = np.unique(np.quantile(scores[fit], np.linspace(0.5, 0.995, 200)))
        best = max(grid, key=lambda t: f1_score(truth[fit], scores[fit] >= t))
        found.append(f1_score(truth[test], scores[test] >= best))
    return {"auc": float(roc_auc_score(truth, scores)), "f1": float(np.mean(found)), "share": float(truth.mean())}


def _tsv(path: Path, text: str, label: str) -> list[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        tabs = path.name.endswith(".tsv.gz")
        rows = csv.DictReader(
            lines, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
            skipinitialspace=True,
        )  # fmt: skip
        return [(row[text], row[label]) for row in rows if row[text]]


def anger_sets(scorer: Scorer, data_dir: Path) -> dict[str, float]:
    """AUC of the anger score on sets with a yes/no anger label: EmoEvent (en, es), Emotional-Tone (Arabic)."""
    root = data_dir / "labelled"
    sets: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "emoevent en": lambda: _tsv(root / "emoevent/splits/en/test.tsv.gz", "tweet", "emotion"),
        "emoevent es": lambda: _tsv(root / "emoevent/splits/es/test.tsv.gz", "tweet", "emotion"),
        "emotional tone ar": lambda: _tsv(root / "emotional_tone_ar/Emotional-Tone-Dataset.csv.gz", "TWEET", "LABEL"),
    }
    result = {}
    for name, read in sets.items():
        rows = read()
        scores = [score.anger.score for score in scorer.score([text for text, _ in rows])]
        result[name] = float(roc_auc_score([label.strip() == "anger" for _, label in rows], scores))
    return result


def run_benchmarks(scorer: Scorer, data_dir: Path, split: str = "dev") -> dict[str, Any]:
    """All public measurements by name, with the version of the checkpoint."""
    return {
        "version": scorer.version,
        "brighter": brighter(scorer, data_dir, split),
        "nl_tv": nl_tv(scorer, data_dir),
        "anger_auc": anger_sets(scorer, data_dir),
    }


def render_benchmarks(result: dict[str, Any]) -> str:
    """Markdown tables of the public measurements."""
    lines = ["| BRIGHTER | macro-F1 | anger AUC (score) | anger AUC (head) |", "| --- " * 4 + "|"]
    for name, own in result["brighter"].items():
        if name != "thresholds":
            lines.append(f"| {name} | {own['macro_f1']:.3f} | {own['anger_auc']:.3f} | {own['anger_head_auc']:.3f} |")
    lines += ["", "| other sets | AUC of the anger score | F1 |", "| --- | --- | --- |"]
    lines.append(f"| Dutch television lines | {result['nl_tv']['auc']:.3f} | {result['nl_tv']['f1']:.3f} |")
    lines += [f"| {name} | {auc:.3f} | |" for name, auc in result["anger_auc"].items()]
    return "\n".join([*lines, ""])
