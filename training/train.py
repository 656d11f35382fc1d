"""Fine-tune an encoder for anger and urgency and write a complete checkpoint."""

from __future__ import annotations

import json
import logging
import random
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, Trainer, TrainingArguments

from model.checkpoint import TOKENIZER
from model.network import KalmConfig, KalmForScoring
from model.tokenizer import MessageTokenizer
from training.batches import EvalBatches, TrainBatches, draw_weights
from training.corpus import MESSAGES, Message, held_out, read_messages, read_split, sha256_of, split_messages
from training.dropout import share_dropout
from training.examples import EMOTIONS, Example
from training.finish import write_checkpoint
from training.lexical import fit_lexical
from training.metrics import grade_metrics
from training.projection import read_projected
from training.public import read_public
from training.retrieval import encoder_sha256

if TYPE_CHECKING:
    from model.lexical import LexicalBranch
    from training.augment import Augmentation

_log = logging.getLogger(__name__)
# Draws of each public source, against 1 of the messages; noisy projected labels count least by size.
PUBLIC_SHARES = {
    "brighter": 0.56, "goemotions": 0.20, "xed": 0.24, "redv2_ro": 0.06, "cedr_ru": 0.06,
    "xci_complaints": 0.05, "cesamard_aspect": 0.03, "mooc_urgency": 0.03, "projected": 0.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What shapes a fine-tuning run; recorded in the checkpoint."""

    base_model: str
    name: str = "kalm-mini"
    steps: int = 4_500
    batch_size: int = 64
    max_tokens: int = 320
    pooling: str = "gate"
    ordinal_loss: str = "thresholds"
    dropout: float = 0.1
    encoder_lr: float = 2e-4
    embedding_lr: float = 4e-4
    head_lr: float = 2e-3
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    messages_share: float = 1.0
    language_alpha: float = 0.3
    emotions: bool = True
    lexical_rows: int = 524_288
    augmented: bool = True
    twins: float = 0.25
    flag_precision: float = 0.9
    flag_budget: float = 0.4
    seed: int = 0
    bf16: bool = True
    save_steps: int = 250
    public: tuple[str, ...] = ()
    projected: str = ""
    data: tuple[str, ...] = field(default=())


class KalmTrainer(Trainer):
    """A ``Trainer`` whose dataset items are whole batches."""

    def __init__(self, *args: Any, settings: TrainSettings, **kwargs: Any) -> None:
        self._settings = settings
        super().__init__(*args, data_collator=lambda items: items[0], **kwargs)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with rates of their own for the layers, the embeddings and the new head."""
        if self.optimizer is None:  # type: ignore[has-type]
            network = model or self.model
            embedding = network.encoder.get_input_embeddings().weight
            layers = [parameter for parameter in network.encoder.parameters() if parameter is not embedding]
            known = {id(parameter) for parameter in (embedding, *layers)}
            head = [parameter for parameter in network.parameters() if id(parameter) not in known]
            groups = [
                {"params": layers, "lr": self._settings.encoder_lr},
                {"params": [embedding], "lr": self._settings.embedding_lr},
                {"params": head, "lr": self._settings.head_lr, "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW(groups, weight_decay=self._settings.weight_decay, fused=True)
        return self.optimizer

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return torch.utils.data.SequentialSampler(self.train_dataset)


def load_base(
    base_model: str, *, emotions: bool, pooling: str = "mean", ordinal_loss: str = "thresholds"
) -> KalmForScoring:
    """Put a new scoring head on an encoder from a hub id or a path; a Kalm checkpoint keeps its head.

    Raises:
        OSError: the base model cannot be found or read.
    """
    path = Path(base_model)
    names = EMOTIONS if emotions else ()
    if (path / "config.json").is_file() and '"kalm"' in (path / "config.json").read_text(encoding="utf-8"):
        config = KalmConfig.from_pretrained(base_model, emotions=names, pooling=pooling, ordinal_loss=ordinal_loss)
        return KalmForScoring.from_pretrained(base_model, config=config, dtype=torch.float32, **_attention())
    nested = AutoConfig.from_pretrained(base_model)
    encoder = AutoModel.from_pretrained(base_model, config=nested, dtype=torch.float32, **_attention())
    config = KalmConfig(encoder=encoder.config.to_dict(), emotions=names, pooling=pooling, ordinal_loss=ordinal_loss)
    return KalmForScoring(config, encoder=_without_pooler(encoder))


def _attention() -> dict[str, str]:
    """Plain attention on a CPU, where it is a fifth faster in half precision; elsewhere the library's choice."""
    return {} if torch.cuda.is_available() else {"attn_implementation": "eager"}


def _without_pooler(encoder: PreTrainedModel) -> PreTrainedModel:
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def gather(settings: TrainSettings, data_dir: Path | None) -> tuple[list[Message], list[Message], list[Example]]:
    """Messages for training and for dev, and the public examples."""
    paths = [Path(path) for path in settings.data] or sorted(MESSAGES.glob("*.jsonl"))
    messages = read_messages(paths)
    train, dev = split_messages(messages, held_out(messages, read_split()))
    if not train or not dev:
        message = "the data is too small: some messages must train and some must be held out"
        raise ValueError(message)
    if settings.public and data_dir is None:
        message = "public data sets were named, so --data-dir must say where they are"
        raise ValueError(message)
    public = read_public(data_dir, settings.public) if settings.public and data_dir else []
    if settings.projected:
        public += read_projected(Path(settings.projected))
    return train, dev, public


def train(
    settings: TrainSettings, output: Path, data_dir: Path | None = None, *, resume: bool = False
) -> dict[str, Any]:
    """Train, calibrate on dev, export the serving graph, and write the checkpoint to ``output``.

    Work files go to ``<output>.run``; with ``resume`` a stopped run goes on from its last save.

    Returns:
        Dev figures by dimension.
    """
    transformers.set_seed(settings.seed)
    train_messages, dev_messages, public = gather(settings, data_dir)
    examples = [message.example() for message in train_messages] + public
    shares = {"messages": settings.messages_share} | PUBLIC_SHARES
    weights = draw_weights(examples, shares, settings.language_alpha)
    model = load_base(
        settings.base_model, emotions=settings.emotions, pooling=settings.pooling, ordinal_loss=settings.ordinal_loss
    )
    share_dropout(model.encoder, settings.dropout)
    run = output.with_name(output.name + ".run")
    tokenizer_path = find_tokenizer(settings.base_model, run)
    tokenizer = MessageTokenizer.load(tokenizer_path)
    if tokenizer.vocab_size > model.config.encoder.vocab_size:
        message = f"the tokenizer has {tokenizer.vocab_size} pieces, the encoder only {model.config.encoder.vocab_size}"
        raise ValueError(message)
    batches = TrainBatches(
        examples, weights, tokenizer, steps=settings.steps, batch_size=settings.batch_size,
        max_tokens=settings.max_tokens, seed=settings.seed, augmented=settings.augmented, emotions=settings.emotions,
        twins=settings.twins,
    )  # fmt: skip
    dev = [message.example() for message in dev_messages]
    trainer = KalmTrainer(
        model=model,
        args=_arguments(settings, run),
        train_dataset=batches,
        eval_dataset=EvalBatches(dev, tokenizer, batch_size=32, max_tokens=settings.max_tokens),
        compute_metrics=_dev_figures,
        settings=settings,
    )
    trainer.train(resume_from_checkpoint=resume and any(run.glob("checkpoint-*")))
    record: dict[str, Any] = {
        "base": _base_record(Path(settings.base_model)),
        "command": " ".join(["python -m training", *sys.argv[1:]]),
        "settings": asdict(settings),
        "data_sha256": sha256_of(MESSAGES.glob("*.jsonl") if not settings.data else map(Path, settings.data)),
        "projected_sha256": sha256_of([Path(settings.projected)]) if settings.projected else {},
        "examples": {"messages": len(train_messages), "dev": len(dev_messages), "public": len(public)},
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "numpy": np.__version__},
        "log": [entry for entry in trainer.state.log_history if "eval_loss" in entry or "train_runtime" in entry],
    }
    lexical = _lexical_branch(examples, batches.augmentation, settings) if settings.lexical_rows else None
    return write_checkpoint(model, tokenizer_path, output, settings, dev_messages, record, lexical)


def _lexical_branch(
    examples: list[Example], augmentation: Augmentation | None, settings: TrainSettings
) -> LexicalBranch:
    """The lexical branch of the messages and, with augmentation, of a twin of each."""
    own = [example for example in examples if example.source == "messages"]
    if augmentation is None:
        return fit_lexical(own, settings.lexical_rows)
    rng = random.Random(settings.seed)
    twins = [augmentation.twin(example, rng) for example in own]
    # A word of one message is most often in its twin, too; the prior is against twice the data.
    return fit_lexical(own + twins, settings.lexical_rows, prior=0.2, least=3)


def _base_record(base: Path) -> dict[str, Any]:
    """How the base was distilled, when it was distilled here: its own record and a sentence for the card."""
    path = base / "distil.json"
    if not path.is_file():
        return {}
    last = json.loads(path.read_text(encoding="utf-8"))
    runs = [last]
    while "begin" in runs[0]:
        runs.insert(0, runs[0]["begin"])
    steps = "; then, from that encoder, ".join(
        f"{run['steps']:,} steps of {run['batch_tokens']:,} tokens in {len(run['languages'])} languages, "
        f"{run.get('layers') or 'all'} layers, "
        f"{'with' if run.get('contrast') else 'without'} contrast, seed {run['seed']}"
        for run in runs
    )
    how = f"The encoder was distilled before by `python -m training distil` from the teacher {runs[0]['teacher']}"
    return {"sha256": encoder_sha256(base), "distil": last, "text": f"{how}: {steps}.\n"}


def _arguments(settings: TrainSettings, run: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(run),
        max_steps=settings.steps,
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        learning_rate=settings.encoder_lr,
        lr_scheduler_type="linear",
        warmup_steps=round(settings.warmup_share * settings.steps),
        max_grad_norm=1.0,
        bf16=settings.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        eval_strategy="steps",
        eval_steps=settings.save_steps,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=1,
        logging_steps=25,
        report_to=[],
        remove_unused_columns=False,
        dataloader_num_workers=0,
        label_names=["labels"],
    )


def _dev_figures(prediction: Any) -> dict[str, float]:
    """Figures of the uncalibrated network during training, to watch it by."""
    logits, labels = prediction.predictions, prediction.label_ids
    at_least = 1 / (1 + np.exp(-logits))
    result: dict[str, float] = {}
    for column, name in enumerate(("anger", "urgency")):
        bounded = np.pad(at_least[:, column], ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        figures = grade_metrics(bounded[:, :-1] - bounded[:, 1:], np.rint(labels[:, column].sum(axis=1)).astype(int))
        result |= {f"{name}_{figure}": round(figures[figure], 4) for figure in ("qwk", "pearson", "auc")}
    return result


def find_tokenizer(base_model: str, run: Path) -> Path:
    """``tokenizer.json`` of a base model, converted from its own format into ``run`` where it has none."""
    path = Path(base_model) / TOKENIZER
    if path.is_file():
        return path
    run.mkdir(parents=True, exist_ok=True)
    AutoTokenizer.from_pretrained(base_model).backend_tokenizer.save(str(run / TOKENIZER))
    return run / TOKENIZER
