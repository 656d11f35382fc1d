"""Scores of messages that surely have a grade, without a model."""

from model.scorer import DimensionScore, Score, WordShare

ANGER = ("calm", "annoyed", "angry", "furious")
URGENCY = ("none", "normal", "pressing", "critical")


def score(anger, urgency, explanation=None):
    def dimension(grade, names):
        return DimensionScore(grade / 3, names[grade], tuple(float(g == grade) for g in range(4)), 0.0)

    return Score(dimension(anger, ANGER), dimension(urgency, URGENCY), windows=1, explanation=explanation)


def shares(*rows):
    return tuple(WordShare(*row) for row in rows)
