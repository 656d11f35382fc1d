"""Every sentence that a person reads, in the languages of the catalogues under ``service/locales``."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "kalm"
SOURCE_LANGUAGE = "en"

REASONS = {
    "anger_calm": "Anger reaches the threshold of the policy.",
    "urgency_none": "Urgency reaches the threshold of the policy.",
    "anger_annoyed": "The customer is annoyed.",
    "anger_angry": "The customer is angry.",
    "anger_furious": "The customer is furious.",
    "urgency_normal": "The customer asks for something.",
    "urgency_pressing": "The matter is pressing.",
    "urgency_critical": "Danger, or harm that is under way.",
    "repeated_contact": "The customer contacts us about the same matter again and again.",
    "sent_around": "The customer was sent from desk to desk.",
    "long_wait": "The customer has waited too long.",
    "unanswered": "The customer wrote again before anyone answered.",
    "anger_rising": "The customer was angrier after our last answer.",
    "tier": "This group of customers has priority.",
}
LEVELS = {
    "agent": "An agent of the team",
    "senior": "A senior colleague",
    "manager": "The manager on duty",
}
CHANNELS = {
    "call_back": "Call the customer back; do not write.",
    "write": "Answer in writing, on the channel that the customer chose.",
}
STEPS = {
    "safety": "First make sure that nobody is in danger: say what to do at once, and whom to call.",
    "acknowledge": "Say in your own words what happened and how it feels for the customer.",
    "thank": "Thank the customer for telling you.",
    "apologise": "Own up and apologise, without 'if' and without 'but'.",
    "facts": "Do not ask again for what the customer has written already.",
    "owner": "Give the name of one colleague who stays with the matter until it is solved.",
    "next": "Say what happens next, who does it, and when the customer hears from you.",
    "choice": "Let the customer choose between two ways forward.",
    "close": "Close the case only when the customer says that it is solved.",
}
AVOID = {
    "arguing": "Do not argue, and do not correct the customer's account.",
    "refusal": "Do not say what is impossible without saying what is possible.",
    "blame": "Do not blame the customer, a colleague or a partner.",
    "sending_on": "Do not send the customer to another desk or number.",
    "rules": "Do not hide behind terms and rules.",
}
OPENINGS = {
    "critical": "I am taking care of this right now, and I will stay with it until you are safe and it is solved.",
    "furious": "You have every reason to be angry, and I am sorry that it came to this. I am taking this on myself.",
    "angry": "I am sorry that this went wrong. I understand that you are angry, and I will see to it now.",
    "annoyed": "I am sorry about the trouble. I will look into it for you.",
    "repeated": "I am sorry that you had to contact us again about this. From now on I will take care of it.",
    "calm": "Thank you for your message. I am happy to help.",
}
FINDINGS = {
    "arguing": "This contradicts the customer. Accept how they see it, and say what you will do.",
    "blame": "This puts the blame on someone. Own up for the company, and say what you will do.",
    "flat_refusal": "This is a plain no. Add what is possible instead.",
    "no_apology": "An apology is missing. Say that you are sorry for what happened, without 'if' and without 'but'.",
    "no_next_step": "The customer does not learn what happens next. Say what you will do.",
    "no_time": "The customer does not learn when. Give a day or an hour for the next step.",
    "cold": "This sounds indifferent. Show that you care, and say what you can do.",
    "angry": "This sounds irritated. Say it calmly, without irony.",
    "sent_on": "This sends the customer on. Ask the colleague yourself, and tell the customer who will call.",
    "unanswered_question": "The customer's question is not answered. Answer it, or say when the answer will come.",
}
CLOSING = {
    "anger_open": "The customer's last message is still angry.",
    "urgency_open": "The customer's last message is still pressing.",
    "question_open": "The customer's last message asks something.",
    "problem_open": "The customer's last message does not say that it is solved.",
    "promise_open": "Something was promised, and the customer has not said that it came.",
}
GROUPS = {
    "reason": REASONS,
    "level": LEVELS,
    "channel": CHANNELS,
    "step": STEPS,
    "avoid": AVOID,
    "opening": OPENINGS,
    "finding": FINDINGS,
    "closing": CLOSING,
}


@cache
def languages() -> tuple[str, ...]:
    """Languages that have a catalogue, ISO 639-1; English is the source and needs none."""
    return (SOURCE_LANGUAGE, *sorted(path.parent.parent.name for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.po")))


@cache
def _catalogue(language: str) -> GNUTranslations:
    with (LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def text(group: str, code: str, language: str | None) -> str:
    """The sentence of a code in a language; English where the language has no catalogue.

    Args:
        group: one of ``GROUPS``.
        code: a code of that group.
        language: ISO 639-1, or None.

    Raises:
        KeyError: there is no such group or code.
    """
    sentence = GROUPS[group][code]
    if language is None or language == SOURCE_LANGUAGE or language not in languages():
        return sentence
    return _catalogue(language).gettext(sentence)
