import pytest

from model.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Waar blijft mijn pakket? Ik wacht al een week.", "nl"),
        ("Where is my parcel? I have been waiting for a week.", "en"),
        ("WO BLEIBT MEIN PAKET, ICH WARTE SEIT EINER WOCHE", "de"),
        ("أين طردي؟ أنتظر منذ أسبوع", "ar"),
        ("मेरा पार्सल कहाँ है?", "hi"),
        ("Де моя посилка? Чекаю вже тиждень.", "uk"),
        ("東京はどこですか", "ja"),
        ("ok", None),
        ("12345 !!!", None),
        ("", None),
        ("\ud800", None),
    ],
)
def test_detection(text, language):
    assert detect_language(text) == language
