"""`kapok model tokenize` against HF `tokenizers` and, where it is installed, llama.cpp.

Valid Unicode is compared with HF, broken UTF-8 with llama.cpp (HF takes only valid text). The
reference is built from the model file's own vocabulary and merges.
"""

import json
import os
import subprocess
import sys
import tempfile

import gguf
import numpy
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

import tokenizer_corpus
import tokenizer_patterns

KAPOK, MODEL = os.environ["KAPOK_BINARY"], os.environ["KAPOK_MODEL"]
FULL = os.environ.get("KAPOK_INTEROP") == "full"
passed = failed = 0


def check(what, right, explain=""):
    global passed, failed
    passed, failed = passed + bool(right), failed + (not right)
    line = f"ok      {what}" if right else f"FAILED  {what}: {explain}"
    print(line, flush=True)


def bytes_to_unicode():
    """GPT-2's characters for bytes: printable ones of Latin-1 for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + number) for number, byte in enumerate(others)}


class Vocabulary:
    def __init__(self, path):
        fields = gguf.GGUFReader(path).fields

        def value(key):
            return fields["tokenizer.ggml." + key].contents()

        self.pieces, self.merges, self.kinds = value("tokens"), value("merges"), value("token_type")
        self.pre = value("pre")
        control = int(gguf.TokenType.CONTROL)
        self.specials = [p for p, kind in zip(self.pieces, self.kinds) if kind == control]

    def reference(self, steps, whole_words=False):
        tokenizer = Tokenizer(models.BPE(
            vocab={piece: number for number, piece in enumerate(self.pieces)},
            merges=[tuple(merge.split(" ")) for merge in self.merges], ignore_merges=whole_words))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        tokenizer.add_special_tokens(
            [AddedToken(piece, special=True, normalized=False) for piece in self.specials])
        return tokenizer

    def missing(self):
        """The bytes that are no tokens; they vanish, in the references too."""
        alphabet = bytes_to_unicode()
        pieces = set(self.pieces)
        return bytes(byte for byte in range(256) if alphabet[byte] not in pieces)

    def write(self, path, pre):
        """A model file with this vocabulary, another pre-tokenizer and next to no weights."""
        width, writer = 32, gguf.GGUFWriter(path, "llama")
        for add, number in (
            (writer.add_block_count, 1), (writer.add_context_length, 64),
            (writer.add_embedding_length, width), (writer.add_feed_forward_length, width),
            (writer.add_head_count, 1), (writer.add_head_count_kv, 1),
            (writer.add_vocab_size, len(self.pieces)), (writer.add_rope_dimension_count, width),
        ):
            add(number)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(self.pieces)
        writer.add_token_types(self.kinds)
        writer.add_token_merges(self.merges)
        embedding = numpy.zeros((len(self.pieces), width), numpy.float16)
        writer.add_tensor("token_embd.weight", embedding)
        for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
            writer.add_tensor(name + ".weight", numpy.ones(width, numpy.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            writer.add_tensor(
                f"blk.0.{name}.weight", numpy.zeros((width, width), numpy.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def kapok(text, *options, model=MODEL):
    run = subprocess.run(
        [KAPOK, "model", "tokenize", model, *options], input=text, stdout=subprocess.PIPE,
        check=True)
    return run.stdout


def ids(text, *options, model=MODEL):
    return [int(line) for line in kapok(text, *options, model=model).split()]


def compare(what, expected, found, pieces):
    if expected == found:
        return check(what, True)
    at = next(
        (n for n, pair in enumerate(zip(expected, found)) if pair[0] != pair[1]),
        min(len(expected), len(found)))
    window = slice(max(0, at - 3), at + 5)
    check(what, False, f"token {at} of {len(expected)} and {len(found)}: "
          f"{[pieces[n] for n in expected[window]]} expected, {[pieces[n] for n in found[window]]}")


def valid_text(vocabulary, factor):
    reference = vocabulary.reference([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    total = 0
    for name, text in tokenizer_corpus.valid(factor):
        data = text.encode()
        total += len(data)
        found = ids(data, "--special")
        compare(f"{name}: {len(data)} bytes", reference.encode(text).ids, found, vocabulary.pieces)
        if name in ("code", "translations"):
            back = kapok(" ".join(map(str, found)).encode(), "--decode", "--special")
            kept = data.translate(None, vocabulary.missing())
            check(f"{name}: decoded again", back == kept and len(kept) > 0.999 * len(data))
            check(f"{name}: --count", int(kapok(data, "--special", "--count")) == len(found))
    print(f"{total} bytes of valid text")
    check("at least 10 MB of text", total >= 10_000_000, f"{total} bytes")
    marked = "<|im_start|>user\nHi <|im_end|><|im_end|>\n<repo_name>x"
    compare("special tokens", reference.encode(marked).ids, ids(marked.encode(), "--special"),
            vocabulary.pieces)
    document = json.loads(kapok(marked.encode(), "--special", "--json"))
    check("--json", [token["id"] for token in document["tokens"]] == reference.encode(marked).ids
          and document["tokens"][0]["piece"] == "<|im_start|>"
          and document["count"] == len(document["tokens"]), document)


def broken_text(vocabulary, factor):
    try:
        from llama_cpp import Llama
    except ImportError:
        print("SKIPPED: broken UTF-8 against llama.cpp: llama-cpp-python is not installed")
        return
    peer = Llama(MODEL, vocab_only=True, verbose=False)
    specials = [piece.encode() for piece in vocabulary.specials]
    for name, text in tokenizer_corpus.broken(factor, specials):
        text = tokenizer_corpus.without_large_values(text)
        for special in (True, False):
            compare(
                f"{name}, llama.cpp, special {special}: {len(text)} bytes",
                peer.tokenize(text, add_bos=False, special=special),
                ids(text, *(["--special"] if special else [])), vocabulary.pieces)


def other_patterns(vocabulary, names, limit):
    texts = [
        (name, text[:limit]) for name, text in tokenizer_corpus.valid(1)
        if name in ("code", "edges", "thirty scripts", "every code point, shuffled", "translations")
    ]
    with tempfile.TemporaryDirectory(prefix="kapok-tokenizer-") as folder:
        for name in names:
            path = os.path.join(folder, name + ".gguf")
            vocabulary.write(path, name)
            steps = [
                pre_tokenizers.Split(Regex(pattern), "isolated")
                for pattern in tokenizer_patterns.PATTERNS[name]
            ]
            reference = vocabulary.reference(
                steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
                whole_words=name in tokenizer_patterns.WHOLE_WORDS)
            for title, text in texts:
                compare(f"{name}: {title}", reference.encode(text).ids,
                        ids(text.encode(), "--special", model=path), vocabulary.pieces)
            os.remove(path)


def main():
    vocabulary = Vocabulary(MODEL)
    valid_text(vocabulary, 6 if FULL else 1)
    broken_text(vocabulary, 10 if FULL else 1)
    names = list(tokenizer_patterns.PATTERNS)
    if not FULL:
        names = ["llama-bpe", "qwen2", "gpt-4o", "tekken", "deepseek-v3"]
    other_patterns(vocabulary, names, 1_000_000 if FULL else 60_000)
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
