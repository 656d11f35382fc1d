"""Names of languages and credits of data sets, for reports."""

from __future__ import annotations

LANGUAGE_NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip

SOURCES = {
    "messages": "Kalm's own customer messages, `training/data/messages`, Apache-2.0",
    "brighter": "BRIGHTER / SemEval-2025 task 11 (Muhammad et al. 2025, arXiv:2502.11926), CC BY 4.0",
    "goemotions": "GoEmotions (Demszky et al. 2020), CC BY 4.0",
    "xed": "XED (Öhman et al. 2020), CC BY 4.0",
    "redv2_ro": "REDv2 (Ciobotaru et al. 2022), MIT",
    "cedr_ru": "CEDR (Sboev et al. 2021), Apache-2.0",
    "xci_complaints": "X-CI complaints (Singh et al. 2023; severity by Jin and Aletras 2021), MIT",
    "cesamard_aspect": "CESAMARD-Aspect (Singh et al. 2023), MIT",
    "mooc_urgency": "MOOC forum posts urgency (Švábenský et al. 2023), MIT",
}

# What the encoder's distillation and its vocabulary learned from.
DISTIL_SOURCES = (
    "Tatoeba sentences and their translations, CC BY 2.0 FR",
    "MASSIVE (FitzGerald et al. 2022), CC BY 4.0",
    "BContrast dialogues and WMT 2020 chat (Farajian et al. 2020), CC BY-SA 4.0",
    "TICO-19 (Anastasopoulos et al. 2020), CC0",
    "Chatwoot interface texts, MIT",
    "XED's aligned subtitles (Öhman et al. 2020), CC BY 4.0",
    "all-MiniLM-L6-v2 (sentence-transformers), the teacher, Apache-2.0",
)
