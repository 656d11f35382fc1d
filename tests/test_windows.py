from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.windows import combine_windows, window_spans


@given(length=st.integers(0, 5000), size=st.integers(2, 300), data=st.data())
def test_spans_cover_every_token_and_overlap(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    spans = window_spans(length, size, overlap)
    assert sorted({t for start, end in spans for t in range(start, end)}) == list(range(length))
    assert all(0 < end - start <= size for start, end in spans)
    assert all(a[1] - b[0] >= min(overlap, length) for a, b in pairwise(spans))


def test_overlap_must_be_smaller_than_the_window():
    with pytest.raises(ValueError, match="overlap"):
        window_spans(10, 4, 4)


def test_one_furious_window_is_not_diluted():
    calm, furious = np.full((10, 1), -0.1), np.full((10, 1), 0.5)
    spans = [(0, 10), (8, 18), (16, 26)]
    combined = combine_windows([calm, furious, calm], spans, 26, temperature=1.0)
    mean = combine_windows([calm, furious, calm], spans, 26, temperature=0.0)
    assert combined.sum() > 4.5
    assert mean.sum() == pytest.approx(1.0)


def test_a_single_window_is_left_alone():
    shares = np.arange(6.0).reshape(3, 2)
    assert combine_windows([shares], [(0, 3)], 3, 1.0) is shares
