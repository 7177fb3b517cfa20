"""Prints what NumPy and ml_dtypes say about conversions, as the fingerprints that
Tests/KapokAcceleratorTests/NumericFingerprintTests.swift holds Kapok's conversions against.

    pip install numpy ml_dtypes
    python numeric_fingerprints.py                  # the lines of that file's tables
    python numeric_fingerprints.py --check FILE     # whether that file has all of them
    python numeric_fingerprints.py --all            # all 2^32 FP32 patterns, minutes a type

A fingerprint of the numbers x[0], x[1], ... is the sum of mix(x[i] XOR i * 2^32) modulo 2^64, mix
being SplitMix64's output function. NaNs of FP16 are made quiet first: NumPy's depend on how it was
built.
"""

import argparse
import sys

import ml_dtypes
import numpy as np

np.seterr(all="ignore")

# Name, NumPy's type, bits, least and greatest binary exponent of the random numbers near the type.
FLOATS = [
    ("bf16", ml_dtypes.bfloat16, 16, -149, 127),
    ("fp16", np.float16, 16, -28, 18),
    ("fp8e4m3", ml_dtypes.float8_e4m3, 8, -13, 10),
    ("fp8e4m3fn", ml_dtypes.float8_e4m3fn, 8, -13, 11),
    ("fp8e5m2", ml_dtypes.float8_e5m2, 8, -20, 18),
    ("fp8e3m4", ml_dtypes.float8_e3m4, 8, -10, 6),
]
INTEGERS = [
    ("int32", np.int32),
    ("uint32", np.uint32),
    ("int16", np.int16),
    ("uint16", np.uint16),
    ("int8", np.int8),
    ("uint8", np.uint8),
]
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fingerprint(codes, first=0):
    index = np.arange(first, first + len(codes), dtype=np.uint64) << np.uint64(32)
    return int(np.sum(mix(codes.astype(np.uint64) ^ index), dtype=np.uint64))


def splitmix(seed, count):
    index = np.arange(1, count + 1, dtype=np.uint64)
    return mix(np.uint64(seed) + GOLDEN * index)


def patterns(count=1 << 19):
    """Every kind of FP32: the upper halves of SplitMix64's outputs from seed 1."""
    return (splitmix(1, count) >> np.uint64(32)).astype(np.uint32).view(np.float32)


def near(least, greatest, count=1 << 17):
    """Numbers of magnitudes that the type can hold, and a little beyond."""
    r = splitmix(2, count)
    span = np.uint64(greatest - least + 1)
    exponent = (r >> np.uint64(32)) % span
    stored = np.maximum(exponent.astype(np.int64) + 127 + least, 0).astype(np.uint64)
    bits = (r & np.uint64(0x800000)) << np.uint64(8) | stored << np.uint64(23)
    return (bits | (r & np.uint64(0x7FFFFF))).astype(np.uint32).view(np.float32)


def unsigned(bits):
    return np.uint16 if bits == 16 else np.uint8


def decode_all(kind, bits):
    codes = np.arange(1 << bits).astype(unsigned(bits))
    return codes.view(kind).astype(np.float32)


def boundaries(kind, bits):
    """Each value of the type, the middle between it and the next, and their neighbours in FP32."""
    values = decode_all(kind, bits)[: 1 << (bits - 1)].astype(np.float64)
    values = values[np.isfinite(values)]
    following = np.append(values[1:], 2 * values[-1] - values[-2])
    points = np.stack([values, (values + following) / 2], axis=1).astype(np.float32).reshape(-1)
    at = points.view(np.uint32)
    around = np.stack([at, np.maximum(at, 1) - 1, at + 1], axis=1).reshape(-1)
    return np.concatenate([around, around | np.uint32(1 << 31)]).astype(np.uint32).view(np.float32)


def encode(values, kind, bits):
    codes = values.astype(kind).view(unsigned(bits))
    if kind is np.float16:
        quiet = np.where(np.signbit(values), 0xFE00, 0x7E00).astype(np.uint16)
        codes = np.where(np.isnan(values), quiet, codes)
    return codes


def encode_tf32(values):
    """By exact arithmetic in FP64: eleven significant bits, the last ones from 2^-136 on."""
    bits = values.view(np.uint32)
    wide = values.astype(np.float64)
    _, exponent = np.frexp(wide)
    unit = np.ldexp(1.0, np.maximum(exponent - 11, -126 - 10))
    rounded = (np.rint(wide / unit) * unit).astype(np.float32).view(np.uint32)
    signs = bits & np.uint32(1 << 31)
    special = np.where(np.isnan(values), signs | np.uint32(0x7FC00000), bits)
    return np.where(np.isfinite(values), rounded, special).astype(np.uint32)


def encode_integer(values, kind):
    limits = np.iinfo(kind)
    rounded = np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max)
    whole = np.where(np.isnan(rounded), 0, rounded).astype(np.int64)
    return whole.astype(np.uint64) & np.uint64((1 << limits.bits) - 1)


def line(name, *codes):
    return f".{name}: [" + ", ".join(f"0x{fingerprint(c):016X}" for c in codes) + "],"


def tables():
    """Title and lines of each table."""
    decoded, encoded = [], []
    for name, kind, bits, least, greatest in FLOATS:
        decoded.append(line(name, decode_all(kind, bits).view(np.uint32)))
        inputs = [patterns(), near(least, greatest), boundaries(kind, bits)]
        encoded.append(line(name, *[encode(values, kind, bits) for values in inputs]))
    encoded.append(line("tf32", encode_tf32(patterns()), encode_tf32(near(-149, 127))))
    for name, kind in INTEGERS:
        codes = [encode_integer(values, kind) for values in (patterns(), near(-3, 34))]
        encoded.append(line(name, *codes))
    return [("decoded: all codes", decoded), ("encoded: patterns, near, boundaries", encoded)]


def check(path):
    """Every line has to stand in the file, but for spaces and underscores in numbers."""
    with open(path) as file:
        text = "".join(file.read().replace("_", "").split())
    lines = [line for _, table in tables() for line in table]
    missing = [line for line in lines if "".join(line.split()) not in text]
    for line in missing:
        print("missing:", line)
    print(f"{len(lines) - len(missing)} of {len(lines)} lines agree")
    return not missing


def print_all():
    """One fingerprint a type over all FP32 patterns in order, in blocks."""
    block = 1 << 24
    for name, kind, bits, _, _ in FLOATS:
        total = 0
        for first in range(0, 1 << 32, block):
            values = np.arange(first, first + block, dtype=np.uint64)
            values = values.astype(np.uint32).view(np.float32)
            total += fingerprint(encode(values, kind, bits), first)
        print(f"        .{name}: 0x{total % (1 << 64):016X},", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--all", action="store_true", help="all 2^32 patterns")
    parser.add_argument("--check", metavar="FILE", help="the Swift file with the tables")
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(0 if check(arguments.check) else 1)
    if arguments.all:
        print_all()
        return
    for title, lines in tables():
        print("    //", title)
        for text in lines:
            print("        " + text)


if __name__ == "__main__":
    main()
