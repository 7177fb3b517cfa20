"""`kapok model logits` against the Llama graph in NumPy: float32, nothing rounded, nothing cached.

The weights are read and dequantised by gguf-py. For F16 and F32 files only the cache's 16 bits set
the two apart; for quantised ones also the activations' 8 bits.
"""

import os
import subprocess
import tempfile
import time

import gguf
import numpy

from region import FULL, Checks

# What logits may differ by, RMS and at most, beside a standard deviation near 7. Rounding
# activations to 8 bits moves this model's logits by 0.24 RMS, and by that much again in another
# direction when a float before it changes in its last bit.
PLAIN = (0.01, 0.1)
QUANTISED = (0.4, 4.0)
TEXT = """The lighthouse keeper had not seen a ship for eleven days.
def area(r): return 3.14159 * r ** 2  # in m²
Der Fluss trat über die Ufer. 我们明天早上七点在火车站见面吧。
"""
check = Checks()


class Oracle:
    """Llama's decoder (the GGUF architecture "llama", output tied to the embedding)."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

        def field(name):
            return reader.fields[f"llama.{name}"].contents()

        self.blocks = field("block_count")
        self.heads = field("attention.head_count")
        self.key_heads = field("attention.head_count_kv")
        self.epsilon = field("attention.layer_norm_rms_epsilon")
        self.width = field("embedding_length")
        self.base = field("rope.freq_base")
        self.weights = {}

    def weight(self, name):
        """Rows x columns, as y = W x wants them."""
        if name not in self.weights:
            tensor = self.tensors[name + ".weight"]
            self.weights[name] = gguf.quants.dequantize(
                tensor.data, tensor.tensor_type).astype(numpy.float32)
        return self.weights[name]

    def linear(self, x, name):
        return x @ self.weight(name).T

    def normalise(self, x, name):
        mean = (x.astype(numpy.float64) ** 2).mean(axis=-1, keepdims=True)
        return (x / numpy.sqrt(mean + self.epsilon)).astype(numpy.float32) * self.weight(name)

    def rotate(self, x, halves):
        """Turns neighbours 2i and 2i + 1, or, as this model must not, i and i + half."""
        tokens, _, width = x.shape
        angles = numpy.outer(
            numpy.arange(tokens), self.base ** (-numpy.arange(0, width, 2) / width))[:, None]
        cosine, sine = numpy.cos(angles), numpy.sin(angles)
        first, second = (x[..., : width // 2], x[..., width // 2 :]) if halves else (
            x[..., 0::2], x[..., 1::2])
        turned = numpy.empty_like(x)
        a, b = (turned[..., : width // 2], turned[..., width // 2 :]) if halves else (
            turned[..., 0::2], turned[..., 1::2])
        a[...] = first * cosine - second * sine
        b[...] = first * sine + second * cosine
        return turned

    def attention(self, x, block, halves):
        tokens = len(x)
        name = f"blk.{block}.attn_"
        head = self.width // self.heads
        q = self.linear(x, name + "q").reshape(tokens, self.heads, head)
        k = self.linear(x, name + "k").reshape(tokens, self.key_heads, head)
        v = self.linear(x, name + "v").reshape(tokens, self.key_heads, head)
        q, k = self.rotate(q, halves), self.rotate(k, halves)
        k, v = (numpy.repeat(t, self.heads // self.key_heads, axis=1) for t in (k, v))
        scores = numpy.einsum("qhd,khd->hqk", q, k) / numpy.sqrt(head)
        scores[:, numpy.triu(numpy.ones((tokens, tokens), bool), 1)] = -numpy.inf
        scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = numpy.einsum("hqk,khd->qhd", scores, v).reshape(tokens, self.width)
        return self.linear(mixed.astype(numpy.float32), name + "output")

    def logits(self, tokens, halves=False):
        embedding = self.weight("token_embd")
        x = embedding[tokens]
        for block in range(self.blocks):
            x = x + self.attention(
                self.normalise(x, f"blk.{block}.attn_norm"), block, halves)
            inner = self.normalise(x, f"blk.{block}.ffn_norm")
            gate = self.linear(inner, f"blk.{block}.ffn_gate")
            up = self.linear(inner, f"blk.{block}.ffn_up")
            inner = gate / (1 + numpy.exp(-gate)) * up
            x = x + self.linear(inner, f"blk.{block}.ffn_down")
        return self.linear(self.normalise(x, "output_norm"), "token_embd")


def kapok(*words, **options):
    return subprocess.run(
        [os.environ["KAPOK_BINARY"], "model", *words], check=True, capture_output=True,
        **options).stdout


def compare(path, label, bounds, folder):
    tokens = [int(t) for t in kapok("tokenize", path, input=TEXT.encode()).split()][:64]
    check.equal(f"{label}: 64 tokens", len(tokens), 64)
    listing, out = (os.path.join(folder, name) for name in ("tokens", "logits.npy"))
    with open(listing, "w", encoding="ascii") as file:
        file.write(" ".join(map(str, tokens)))
    kapok("logits", path, "--tokens-file", listing, "--out", out)
    found = numpy.load(out)
    oracle = Oracle(path)

    def apart(expected):
        difference = found.astype(numpy.float64) - expected
        return float(numpy.sqrt((difference ** 2).mean())), float(numpy.abs(difference).max())

    expected = oracle.logits(tokens)
    check.equal(f"{label}: a row for each token", found.shape, expected.shape)
    rms, largest = apart(expected)
    print(f"{label}: logits differ by {rms:.5f} (RMS), {largest:.4f} at most; "
          f"their deviation is {expected.std():.2f}")
    check.that(f"{label}: RMS", rms <= bounds[0], rms)
    check.that(f"{label}: largest", largest <= bounds[1], largest)
    wrong = apart(oracle.logits(tokens, halves=True))
    check.that(f"{label}: a wrong rotation would be seen", wrong[0] > 3 * bounds[0], wrong)
    shifted = apart(numpy.roll(expected, 1, axis=0))
    check.that(f"{label}: rows moved by one would be seen", shifted[0] > 3 * bounds[0], shifted)


def main():
    began = time.monotonic()
    model = os.environ["KAPOK_MODEL"]
    with tempfile.TemporaryDirectory(prefix="kapok-interop-") as folder:
        check.section(compare, model, "as it is", QUANTISED, folder)
        kinds = ["f16", "bf16", "f32", "q8_0", "q4_0", "q5_0", "q4_k", "q4_k_m", "q6_k"] \
            if FULL else ["f16"]
        for kind in kinds:
            path = os.path.join(folder, f"{kind}.gguf")
            kapok("quantize", model, path, "--type", kind)
            bounds = PLAIN if kind in ("f16", "bf16", "f32") else QUANTISED
            check.section(compare, path, kind, bounds, folder)
            os.unlink(path)
    print(f"{time.monotonic() - began:.1f} s", flush=True)
    check.finish()


main()
