import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibration import Calibration, expected_score, median_grade
from training.calibrate import fit_calibration, flag_threshold
from training.metrics import expected_calibration_error, grade_metrics

FINITE = st.floats(-1e6, 1e6)


@given(
    st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=20),
    st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
    st.lists(FINITE, min_size=3, max_size=3),
)
def test_grade_probabilities_are_probabilities(latents, scales, cuts):
    probabilities = Calibration(tuple(scales), tuple(cuts)).grade_probabilities(np.array(latents))
    assert probabilities.shape == (len(latents), 4)
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    scores = expected_score(probabilities)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_higher_latent_never_lowers_the_score():
    latents = np.repeat(np.linspace(-5, 5, 50)[:, None], 3, axis=1)
    probabilities = Calibration((2.0, 1.0, 3.0), (-1.0, 0.5, 2.0)).grade_probabilities(latents)
    assert (np.diff(expected_score(probabilities)) > 0).all()
    assert (np.diff(median_grade(probabilities)) >= 0).all()


def test_where_cuts_cross_the_upper_is_as_likely_as_the_lower():
    probabilities = Calibration((1.0,) * 3, (0.0,) * 3).grade_probabilities(np.array([[0.0, 2.0, -1.0]]))
    np.testing.assert_allclose(probabilities, [[0.5, 0.0, 0.5 - 1 / (1 + np.e), 1 / (1 + np.e)]])


@pytest.mark.parametrize("scales", [(0.0, 1, 1), (1, -1.0, 1), (1, 1, float("nan")), (1, 1)])
def test_impossible_calibrations_are_refused(scales):
    with pytest.raises(ValueError, match="calibration"):
        Calibration(scales, (0, 1, 2))


def test_fit_recovers_the_link_that_made_the_grades():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(20_000, 1)) * [1.0, 2.0, 0.5] + [0.0, 1.0, 2.0]
    true = Calibration((2.0, 1.0, 4.0), (-1.0, 1.5, 10.0))
    probabilities = true.grade_probabilities(latents)
    grades = (rng.random((len(latents), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    fitted = fit_calibration(latents, grades).grade_probabilities(latents)
    assert np.abs(fitted - probabilities).max() < 0.03
    assert grade_metrics(fitted, grades)["ece"] < 0.02


def test_fit_needs_two_grades():
    with pytest.raises(ValueError, match="two grades"):
        fit_calibration(np.zeros(5), np.zeros(5, dtype=int))


def test_threshold_is_the_lowest_with_the_precision():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    grades = np.array([3, 2, 2, 0, 2, 0])
    assert flag_threshold(scores, grades, precision=1.0) == 0.7
    assert flag_threshold(scores, grades, precision=0.8) == 0.5
    assert flag_threshold(scores, grades, precision=0.8, budget=0.34) == 0.8
    assert flag_threshold(np.array([0.9, 0.9, 0.1]), np.array([0, 0, 3]), budget=0.5) == 1.0, "none fits the budget"
    assert flag_threshold(scores, np.array([0, 3, 0, 0, 0, 0]), precision=0.9) == 0.8


def test_figures_of_a_perfect_and_of_a_useless_predictor():
    grades = np.array([0, 1, 2, 3] * 5)
    perfect = np.eye(4)[grades]
    figures = grade_metrics(perfect, grades)
    assert figures == {"auc": 1.0, "ap": 1.0, "qwk": 1.0, "pearson": pytest.approx(1.0), "ece": 0.0}
    flat = grade_metrics(np.full((20, 4), 0.25), grades)
    assert flat["auc"] == 0.5
    assert flat["qwk"] == 0.0


def test_calibration_error_of_known_probabilities():
    assert expected_calibration_error(np.full(10, 0.75), np.array([1] * 5 + [0] * 5)) == pytest.approx(0.25)
