import json
from collections import Counter

import pytest

from training.corpus import Message, assign_dev, held_out, read_messages, read_split, split_messages


def test_every_language_has_messages_of_every_grade(messages):
    by_language = Counter(m.language for m in messages)
    assert len(by_language) == 16
    assert min(by_language.values()) >= 250
    for language in by_language:
        own = [m for m in messages if m.language == language]
        assert {m.anger for m in own} == {m.urgency for m in own} == {0, 1, 2, 3}


def test_ids_are_unique(messages):
    assert max(Counter(m.id for m in messages).values()) == 1


def test_split_is_fixed_complete_and_stratified(messages):
    dev_ids = read_split()
    assert dev_ids <= {m.id for m in messages}
    assert assign_dev(messages, dev_ids) == dev_ids, "run `python -m training split` after adding messages"
    train, dev = split_messages(messages, dev_ids)
    assert 0.10 < len(dev) / len(messages) < 0.13
    for language in {m.language for m in messages}:
        share = sum(m.language == language for m in dev) / sum(m.language == language for m in messages)
        assert 0.10 < share < 0.20
    for grade in range(4):
        for name in ("anger", "urgency"):
            in_train = sum(getattr(m, name) == grade for m in train) / len(train)
            in_dev = sum(getattr(m, name) == grade for m in dev) / len(dev)
            assert abs(in_train - in_dev) < 0.02


def test_nothing_of_dev_is_in_train(messages):
    train, dev = split_messages(messages, read_split())

    def key(message):
        return "".join(filter(str.isalnum, message.text.lower()))

    assert not {key(m) for m in train} & {key(m) for m in dev}
    assert not {m.pair for m in train if m.pair} & {m.pair for m in dev if m.pair}


def test_assigning_again_changes_nothing_and_new_messages_keep_old_choices():
    def make(start, stop):
        return [Message(f"x-{i:03}", f"text {i}", "nl", i % 4, 0) for i in range(start, stop)]

    first = assign_dev(make(0, 400), set())
    assert assign_dev(make(0, 400), first) == first
    assert first <= assign_dev(make(0, 800), first)


def test_pairs_stay_together():
    rows = [Message(f"p-{i}", f"text {i}", "nl", i % 2, 0, pair=f"pair-{i // 2}") for i in range(200)]
    dev = assign_dev(rows, set())
    assert dev
    assert all((f"p-{i}" in dev) == (f"p-{i + 1}" in dev) for i in range(0, 200, 2))


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text":"x"}', '{"text":"secret","anger":4,"urgency":0}', '{"text":" ","anger":0,"urgency":0}',
             '{"text":"secret","anger":true,"urgency":0}', '{"text":5,"anger":0,"urgency":0}']
)  # fmt: skip
def test_bad_lines_are_named_without_their_text(tmp_path, line):
    path = tmp_path / "nl.jsonl"
    path.write_text(json.dumps({"text": "goed", "anger": 0, "urgency": 1}) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=r"nl\.jsonl:2") as error:
        read_messages(path)
    assert "secret" not in str(error.value)


def test_own_messages_are_held_out_by_a_hash_of_their_ids():
    own = [Message(f"mine-{i}", f"text {i}", "nl", i % 4, 0) for i in range(400)]
    held = held_out(own, read_split())
    assert 0.08 < len(held) / len(own) < 0.22
    assert held_out(own[:200], read_split()) == {m.id for m in own[:200]} & held
    assert held_out(own, {"mine-3", "other"}) == {"mine-3"}
