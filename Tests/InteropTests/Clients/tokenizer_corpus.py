"""Mixed text for comparing tokenizers: what a machine has, and what chance makes of Unicode.

The same on every run of one machine: files are taken in order of their names, chance has a seed.
"""

import gettext
import pathlib
import random
import re
import sysconfig
import unicodedata

MB = 1_000_000
# First and last code point of letters of thirty scripts.
SCRIPTS = [
    (0x41, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x587), (0x5D0, 0x5EA),
    (0x620, 0x6D3), (0x710, 0x74F), (0x780, 0x7B1), (0x904, 0x96F), (0x985, 0x9EF), (0xA05, 0xA74),
    (0xA85, 0xAEF), (0xB05, 0xB6F), (0xB85, 0xBEF), (0xC05, 0xC6F), (0xC85, 0xCEF), (0xD05, 0xD6F),
    (0xE01, 0xE5B), (0xE81, 0xEDF), (0xF40, 0xFBC), (0x1000, 0x1049), (0x10A0, 0x10FF),
    (0x1200, 0x137C), (0x13A0, 0x13F5), (0x1780, 0x17E9), (0x3041, 0x30FF), (0x4E00, 0x9FA5),
    (0xAC00, 0xD7A3), (0x10400, 0x1044F),
]
ASSIGNED = [
    code for code in range(0x110000)
    if not 0xD800 <= code <= 0xDFFF and unicodedata.category(chr(code)) != "Cn"
]


def read(paths, limit):
    """The text of files, one after another, up to `limit` characters."""
    text, size = [], 0
    for path in paths:
        if size >= limit:
            break
        try:
            part = path.read_bytes().decode("utf-8", "ignore")[: 300_000]
        except OSError:
            continue
        text.append(part)
        size += len(part)
    return "".join(text)[:limit]


def code(limit):
    return read(sorted(pathlib.Path(sysconfig.get_path("stdlib")).glob("**/*.py")), limit)


def documents(limit):
    folders = ["/usr/share/doc", "/usr/share/dict", "/usr/share/i18n", "/usr/share/perl"]
    paths = (
        path for folder in folders for path in sorted(pathlib.Path(folder).glob("**/*"))
        if path.is_file() and path.suffix not in (".gz", ".png", ".gif", ".pdf")
    )
    return read(paths, limit)


def translations(limit):
    """The messages of every catalogue in /usr/share/locale."""
    text, size = [], 0
    for path in sorted(pathlib.Path("/usr/share/locale").glob("*/LC_MESSAGES/*.mo")):
        try:
            with open(path, "rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog
        except (OSError, ValueError, UnicodeError, LookupError, IndexError):
            continue
        part = "\n".join(str(message) for message in catalogue.values())[:60_000]
        text.append(part)
        size += len(part)
        if size >= limit:
            break
    return "\n".join(text)[:limit]


def scripts(chance, limit):
    """Words of one script each, with marks, digits and signs between them."""
    text, size = [], 0
    while size < limit:
        first, last = chance.choice(SCRIPTS)
        word = "".join(chr(chance.randint(first, last)) for _ in range(chance.randint(1, 12)))
        if chance.random() < 0.2:
            word += chr(chance.randint(0x300, 0x36F))
        word += chance.choice([" ", " ", " ", ", ", ". ", "\n", "", "'", "-", "3", "\u3002"])
        text.append(word)
        size += len(word)
    return "".join(text)


def emoji(chance, limit):
    bases = list(range(0x1F300, 0x1F6FF)) + list(range(0x1F900, 0x1F9FF)) + [0x2764, 0x263A]
    text = []
    for _ in range(limit // 4):
        sequence = chr(chance.choice(bases))
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            sequence += "\u200d" + chr(chance.choice(bases))
        if chance.random() < 0.3:
            sequence += chance.choice(["\ufe0f", "\U0001f3fb", "\U0001f3ff", "\u20e3"])
        text.append(sequence + chance.choice(["", "", " ", "ok", "!", "1"]))
    return "".join(text)


def edges(chance, limit):
    """What the patterns of pre-tokenizers tell apart."""
    parts = [
        " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\v", "\u00a0", "\u3000", "\u2028", "\x85",
        "a", "Ab", "xyz", "1", "22", "4096", "\u0664", "\u00bd", "\u2167", "'s", "'S", "'ll", "'RE",
        "'\u017f", "'", "\"", "!", "?!", "...", "\u2026", "_", "-", "/", "\u00df", "\u01c5",
        "e\u0301", "\u4e2d", "\u3042", "\uac00", "\u0e01\u0e33",
    ]
    return "".join(chance.choice(parts) for _ in range(limit // 2))


def long_words():
    return (
        "a" * 100_000 + " " + "ab" * 50_000 + "!" * 100_000 + " " * 100_000 + "x" + "\n" * 50_000
        + "7" * 50_000 + "\u4e2d" * 30_000 + "=-" * 30_000
    )


def valid(factor):
    """Names and texts of valid Unicode: about 11 MB times `factor`."""
    chance = random.Random(20250)
    everything = "".join(map(chr, ASSIGNED))
    shuffled = ASSIGNED[:]
    chance.shuffle(shuffled)
    yield "code", code(4 * MB * factor)
    yield "documents", documents(1 * MB * factor)
    yield "translations", translations(1 * MB * factor)
    yield "every code point", everything
    yield "every code point, shuffled", "".join(map(chr, shuffled))
    # Planes without characters: what is unassigned elsewhere is so in one version of Unicode only.
    yield "empty planes", "".join(map(chr, range(0x40000, 0xE0000, 7)))
    yield "thirty scripts", scripts(chance, MB // 2 * factor)
    yield "emoji", emoji(chance, MB // 4 * factor)
    yield "edges", edges(chance, MB // 2 * factor)
    yield "ASCII at random", "".join(chr(chance.randrange(128)) for _ in range(MB // 2 * factor))
    yield "long words", long_words()


def broken(factor, specials):
    """Names and texts with broken UTF-8.

    Sequences for values above U+10FFFF are taken out: llama.cpp, with which these are compared,
    ends the process at them.
    """
    chance = random.Random(20251)
    limit = 100_000 * factor
    # Without what llama.cpp's table, which is of an older Unicode, does not know.
    late = {0x897, 0x1B4E, 0x1B4F, 0x1B7F, 0x1C89, 0x1C8A, 0x2427, 0x2428, 0x2429}
    letters = [code for code in ASSIGNED if code < 0x3000 and code not in late]
    text = "".join(
        chr(chance.choice(letters) if chance.random() < 0.5 else chance.randrange(128))
        for _ in range(limit)).encode()
    mutated = bytearray(text)
    for _ in range(limit // 10):
        mutated[chance.randrange(len(mutated))] = chance.randrange(256)
    parts = [
        b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"a",
        b" ", b"!", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf4\x8f\xbf\xbf", b"\xff", b"\xe2\x82", b"\n",
        b"\xf0\x9f\x98", b"\x04", b"\xc2\x85",
    ]
    yield "bytes at random", bytes(chance.randrange(256) for _ in range(limit))
    yield "mutated", bytes(mutated)
    yield "cut characters", b"\n".join(
        text[start : start + chance.randrange(1, 30)] for start in range(0, limit, 20))
    yield "overlong", b"".join(chance.choice(parts) for _ in range(limit // 2))
    yield "special tokens", b"".join(
        chance.choice(specials + parts) for _ in range(limit // 4))


def without_large_values(text):
    return re.sub(rb"(\xf4[\x90-\xbf]|[\xf5-\xf7][\x80-\xbf])[\x80-\xbf][\x80-\xbf]", b"?", text)
