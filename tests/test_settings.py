import re

import pytest
from click.testing import CliRunner
from conftest import ROOT

from model.cores import available_cores
from service.__main__ import main
from service.scoring import engine_streams
from service.settings import Settings, SettingsError, load_settings


def test_environment_is_read(monkeypatch):
    monkeypatch.setenv("KALM_PORT", "9000")
    monkeypatch.setenv("KALM_API_KEYS", "a-key-of-16-chars, another-of-16-chars,")
    settings = load_settings()
    assert settings.port == 9000
    assert [key.get_secret_value() for key in settings.api_keys] == ["a-key-of-16-chars", "another-of-16-chars"]
    assert "a-key" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KALM_PORT", "http"),
        ("KALM_PORT", "0"),
        ("KALM_ENGINE", "abacus"),
        ("KALM_ANGER_THRESHOLD", "1.5"),
        ("KALM_API_KEYS", "short"),
        ("KALM_API_KEYS", " , "),
        ("KALM_API_KEYS", "ключ-из-букв-не-ascii"),
        ("KALM_PROT", "80"),
    ],
)
def test_bad_and_unknown_settings_refuse_to_start(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 1
    assert name in result.stderr
    if name == "KALM_API_KEYS":
        assert value not in result.stderr


def test_readme_names_every_setting_with_its_default():
    table = re.findall(r"^\| `(KALM_\w+)` \| (.*?) \| (.*?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    expected = [
        (f"KALM_{name.upper()}", shown_default(name, field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert table == expected


def shown_default(name, default):
    if name == "checkpoint":
        return "the shipped one"
    return "unset" if default in (None, ()) else f"`{default}`"


def test_help_names_every_setting():
    text = CliRunner().invoke(main, ["--help"]).output
    assert all(f"KALM_{name.upper()}" in text for name in Settings.model_fields)


def test_cores_respect_the_container_quota(tmp_path):
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000")
    assert available_cores(quota) <= 2
    quota.write_text("50000 100000")
    assert available_cores(quota) == 1
    assert available_cores(tmp_path / "none") >= 1


def test_workers_share_the_cores():
    assert engine_streams(Settings(engine_streams=3)) == 3
    assert engine_streams(Settings(workers=64)) == 1
