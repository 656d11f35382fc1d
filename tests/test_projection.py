import gzip

import numpy as np
import pytest
from click.testing import CliRunner

from training.__main__ import main
from training.projection import read_projected


@pytest.fixture(scope="module")
def parallel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    (folder / "parallel").mkdir()
    for language in ("nl", "fr"):
        with gzip.open(folder / f"parallel/{language}.tsv.gz", "wt", encoding="utf-8") as file:
            file.write("en\ttext\tsource\n")
            for i in range(60):
                file.write(f"sentence {i}, you idiots!\t{language} zin {i}\ttatoeba\n")
    return folder


def test_translations_get_the_scores_of_the_english(parallel, tiny_checkpoint, scorer, tmp_path):
    output = tmp_path / "deep" / "projected.jsonl.gz"
    options = ["--checkpoint", tiny_checkpoint, "--data-dir", parallel, "--output", output, "--languages", "nl,fr"]
    result = CliRunner().invoke(main, ["project", *map(str, options), "--candidates", "50", "--kept", "20"])
    assert result.exit_code == 0, result.output
    examples = list(read_projected(output))
    assert [example.language for example in examples] == ["nl"] * 20 + ["fr"] * 20
    for example in examples[::7]:
        number = example.text.split()[-1]
        (score,) = scorer.score([f"sentence {number}, you idiots!"])
        np.testing.assert_allclose(example.urgency[1], sum(score.urgency.grades[2:]), atol=2e-3)
        np.testing.assert_allclose(sum(example.anger) / 3, score.anger.score, atol=2e-3)


def test_missing_sentences_and_broken_files_are_named(tiny_checkpoint, tmp_path):
    options = ["--checkpoint", tiny_checkpoint, "--data-dir", tmp_path, "--output", tmp_path / "out.gz"]
    result = CliRunner().invoke(main, ["project", *map(str, options), "--languages", "nl"])
    assert result.exit_code == 1
    assert "nl.tsv.gz" in result.output
    path = tmp_path / "broken.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write('{"text": "a", "language": "nl", "anger": [0.1, 0.5, 0.9], "urgency": [0.1, 0.1, 0.1]}\n')
    with pytest.raises(ValueError, match=r"broken.jsonl.gz:1"):
        list(read_projected(path))
    for damaged in (b"plain text", path.read_bytes()[:20]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a whole file"):
            list(read_projected(path))
    options = ["--base-model", tiny_checkpoint, "--projected", path, "--output", tmp_path / "out"]
    result = CliRunner().invoke(main, ["train", *map(str, options)])
    assert result.exit_code == 1
    assert "not a whole file" in result.output
