"""The Unicode table of KapokModel's tokenizers against that of HF `tokenizers` (Oniguruma).

Without arguments: reads Sources/KapokModel/Tokenizer/UnicodeRanges.swift, asks the `tokenizers`
package for the properties of every code point, and says whether both agree. Code points that only
one of them has are those of another version of Unicode: they are counted, not refused.
With --write: makes that file.
"""

import pathlib
import re
import sys

from tokenizers import Regex, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLE = ROOT / "Sources/KapokModel/Tokenizer/UnicodeRanges.swift"
CATEGORIES = (
    "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co"
).split()
SPACE, HAN, DIGIT = 0x20, 0x40, 0x80
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HEADER = '''\
/// Unicode 16.0.0 as Oniguruma has it, the regex engine of the HF `tokenizers` package: the
/// categories that the patterns of pre-tokenizers ask for.
///
/// Made by `Tests/InteropTests/Clients/tokenizer_tables.py --write`, which also compares. Each
/// number begins a range that goes on to the next one: the code point shifted left by 8; the
/// general category in bits 0-4 as `GeneralCategory` numbers it; then White_Space (bit 5), the
/// script Han (bit 6), and a number to the `Digits` pre-tokenizer, which is written in Rust
/// and knows later digits (bit 7).
enum UnicodeRanges {
    static let packed: [UInt32] = [
'''


def matching(pattern):
    """The code points that `pattern` matches."""
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    left = set()
    for start in range(0, len(CODE_POINTS), 8192):
        text = "".join(map(chr, CODE_POINTS[start : start + 8192]))
        for piece, _ in split.pre_tokenize_str(text):
            left.update(map(ord, piece))
    return set(CODE_POINTS) - left


def digits():
    split = pre_tokenizers.Digits(individual_digits=True)
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        # Between two letters only a digit stands alone.
        text = "x".join(map(chr, CODE_POINTS[start : start + 4096]))
        for piece, _ in split.pre_tokenize_str(text):
            if len(piece) == 1 and piece != "x":
                found.add(ord(piece))
    return found


def properties():
    table = [0] * 0x110000
    for number, name in enumerate(CATEGORIES):
        if name in ("Cn", "Cs"):
            continue
        for code in matching(r"\p{%s}" % name):
            table[code] = number
    for code in range(0xD800, 0xE000):
        table[code] = CATEGORIES.index("Cs")
    for bit, members in ((SPACE, matching(r"\s")), (HAN, matching(r"\p{Han}")), (DIGIT, digits())):
        for code in members:
            table[code] |= bit
    return table


def ranges(table):
    packed, last = [], None
    for code, value in enumerate(table):
        if value != last:
            packed.append(code << 8 | value)
            last = value
    return packed


def main():
    packed = ranges(properties())
    if "--write" in sys.argv:
        lines = []
        for start in range(0, len(packed), 7):
            line = ", ".join("0x%08X" % number for number in packed[start : start + 7])
            lines.append(f"        {line},\n")
        TABLE.write_text(HEADER + "".join(lines) + "    ]\n}\n")
        print(f"{len(packed)} ranges written")
        return 0
    committed = [int(number, 16) for number in re.findall(r"0x([0-9A-F]{8}),", TABLE.read_text())]
    ours, theirs = expanded(committed), expanded(packed)
    assigned = different = 0
    wrong = []
    for code, (own, other) in enumerate(zip(ours, theirs)):
        if 0 in (own & 0x1F, other & 0x1F):
            different += own != other
            continue
        assigned += 1
        if own != other:
            wrong.append(hex(code))
    right = not wrong and assigned > 280_000
    if not right:
        print(f"FAILED: {assigned} code points in both, {len(wrong)} differ:", wrong[:20])
    print(f"{assigned} code points agree; {different} are in one of both only")
    print(f"{int(right)} passed, {int(not right)} failed")
    return int(not right)


def expanded(packed):
    table = []
    for number, following in zip(packed, packed[1:] + [0x110000 << 8]):
        table += [number & 0xFF] * ((following >> 8) - (number >> 8))
    return table


if __name__ == "__main__":
    sys.exit(main())
