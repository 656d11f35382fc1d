"""Messages of realistic lengths: the dev part of the corpus, shuffled by a fixed seed."""

from __future__ import annotations

import random

from training.corpus import MESSAGES, held_out, read_messages, read_split, split_messages


def texts(count: int, *, seed: int = 0) -> list[str]:
    """``count`` texts; the dev messages, repeated when there are fewer."""
    messages = read_messages(MESSAGES)
    _, dev = split_messages(messages, held_out(messages, read_split()))
    pool = [message.text for message in dev]
    random.Random(seed).shuffle(pool)
    return (pool * (count // len(pool) + 1))[:count]
