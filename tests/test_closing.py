import pytest
from scores import score

from service.closing import may_close
from service.decision import Thresholds

THRESHOLDS = Thresholds(0.5, 0.5)
PROMISE = "We will send you a new one tomorrow."


@pytest.mark.parametrize(
    ("text", "anger", "urgency", "agents", "open_points"),
    [
        ("Thank you, all sorted now!", 0, 0, [PROMISE], ()),
        ("Thanks for your quick answer.", 0, 0, ["The shop opens at nine."], ()),
        ("Thanks, I will wait then.", 0, 0, [PROMISE], ("promise_open",)),
        ("Thanks, and when does it come?", 0, 1, [], ("question_open", "problem_open")),
        ("It is still broken.", 1, 1, [], ("problem_open",)),
        ("Okay.", 0, 0, [], ("problem_open",)),
        ("It works again but this was a disgrace", 2, 0, [], ("anger_open",)),
        ("The house is on fire", 0, 3, [], ("urgency_open", "problem_open")),
    ],
)
def test_what_is_open(text, anger, urgency, agents, open_points):
    closing = may_close(text, score(anger, urgency), agents, "en", THRESHOLDS)
    assert closing.reasons == open_points
    assert closing.safe == (not open_points)


def test_without_a_lexicon_calm_messages_are_safe():
    assert may_close("Kiitos paljon!", score(0, 0), [PROMISE], "fi", THRESHOLDS).safe
    assert not may_close("Missä se on?", score(0, 0), [], "fi", THRESHOLDS).safe
    assert not may_close("Se on rikki", score(0, 1), [], "fi", THRESHOLDS).safe
