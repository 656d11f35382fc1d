import os
import time
from datetime import timedelta

import pytest

from service import policy as policy_module
from service.policy import PolicyError, PolicySource, load_policy


def written(tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_later_scope_counts(tmp_path):
    policy = load_policy(
        written(
            tmp_path,
            """
            [rules]
            contacts = 4
            [tenants.acme]
            contacts = 5
            respond_within = { urgent = "PT9M" }
            [tiers.gold]
            raise_priority = true
            contacts = 2
            """,
        )
    )
    assert policy.rules_for(None, None, None).contacts == 4
    assert policy.rules_for("chat", "acme", None).contacts == 5
    both = policy.rules_for("chat", "acme", "gold")
    assert (both.contacts, both.raise_priority) == (2, True)
    assert both.respond_within.urgent == timedelta(minutes=9)
    assert both.respond_within.high == timedelta(minutes=5), "the channel's stays where the tenant says nothing"
    assert policy.rules_for("chat", "unknown", "unknown") == policy.rules_for("chat", None, None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[rules]\nfoo = 1", "rules.foo: not a key"),
        ("[rule]\ncontacts = 3", "rule: not a key"),
        ("[rules]\ncontacts = 0", "rules.contacts"),
        ('[rules]\ncontacts = "3"', "rules.contacts"),
        ('[rules]\npatience = "soon"', "rules.patience"),
        ('[rules]\npatience = "PT0S"', "rules.patience"),
        ('[rules]\nregion = "XX"', "rules.region"),
        ("[rules]\nanger_threshold = 2", "rules.anger_threshold"),
        ("[channels.fax]\ncontacts = 3", "channels.fax"),
        ("[channels.chat]\ncontact = 3", "channels.chat.contact: not a key"),
        ('[tiers.gold]\nrespond_within = { urgently = "PT1M" }', "tiers.gold.respond_within.urgently"),
        ("[tenants.'a b']\ncontacts = 3", "tenants.a b"),
        ('[topics.hotel]\nteam = "hotel"', "topics.hotel: needs words"),
        ("[topics.billing]\nown_words_only = true", "topics.billing: needs words"),
        ('[topics.billing]\nlevel = "boss"', "topics.billing.level"),
        ('[routing]\ncritical_topic = "hotel"', "routing.critical_topic"),
        ("[alert_budget]\nflags_per_day = -1", "alert_budget.flags_per_day"),
        ("rules = 3", "rules"),
        ("= 3", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, named):
    with pytest.raises(PolicyError, match=r"policy\.toml") as error:
        load_policy(written(tmp_path, text))
    assert named in str(error.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="not TOML"):
        load_policy(path)


def test_all_wrong_keys_are_named_at_once(tmp_path):
    with pytest.raises(PolicyError) as error:
        load_policy(written(tmp_path, "[rules]\nfoo = 1\nbar = 2"))
    assert "foo" in str(error.value)
    assert "bar" in str(error.value)


@pytest.fixture
def impatient(monkeypatch):
    """Look at the file at every message."""
    monkeypatch.setattr(policy_module, "_LOOK_EVERY", 0.0)


def change(path, text):
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def test_a_changed_file_is_taken(tmp_path, impatient):
    path = written(tmp_path, "[rules]\ncontacts = 4")
    source = PolicySource(path)
    before = source.current()
    assert before.rules.contacts == 4
    change(path, "[rules]\ncontacts = 6 # changed")
    assert source.current().rules.contacts == 6
    assert source.current().version != before.version


def test_a_bad_change_is_refused_and_a_good_one_taken_after_it(tmp_path, impatient, caplog):
    path = written(tmp_path, "[rules]\ncontacts = 4")
    source = PolicySource(path)
    change(path, "[rules]\ncontacts = 4444444")
    assert source.current().rules.contacts == 4
    assert "rules.contacts" in source.error
    assert "not taken" in caplog.text
    path.unlink()
    assert source.current().rules.contacts == 4
    assert "cannot be read" in source.error
    change(path, "[rules]\ncontacts = 8")
    assert source.current().rules.contacts == 8
    assert source.error is None


def test_a_bad_file_at_start_refuses(tmp_path):
    with pytest.raises(PolicyError):
        PolicySource(written(tmp_path, "[rules]\ncontact = 4"))


def test_added_words_are_plain_words(tmp_path):
    path = written(tmp_path, '[topics.hotel]\nteam = "hotel"\nwords = { nl = ["kamer (nr.)", "één bed"] }')
    pattern = load_policy(path).added_words("hotel", "nl")
    assert pattern.search("mijn kamer (nr.) 12")
    assert pattern.search("een bed")
    assert not pattern.search("kamer nr")
    assert load_policy(path).added_words("hotel", "fr") is None
