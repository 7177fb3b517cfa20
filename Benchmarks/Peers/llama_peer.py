"""llama.cpp in this process, through PyPI's llama-cpp-python: logits and greedy continuations.

`Peer(path)` computes as llama.cpp's users have it: keys and values in 16 bits, activations in 8
bits where weights are quantised. `oracle(path, folder)` is the same graph without any of that:
weights dequantised into a file of F32, activations, keys and values in F32.
"""
import ctypes
import os

import llama_cpp
import numpy

F32 = 0  # in ggml's enum of types and in llama.cpp's of files


class Peer:
    def __init__(self, path, threads, context=1024, exact=False, flash=False):
        options = {"type_k": F32, "type_v": F32} if exact else {}
        self.model = llama_cpp.Llama(
            path, n_ctx=context, n_batch=context, n_ubatch=min(context, 512), n_threads=threads,
            n_threads_batch=threads, flash_attn=flash, verbose=False, **options)
        self.vocabulary = self.model.n_vocab()
        self.vocab = llama_cpp.llama_model_get_vocab(self.model.model)
        self.memory = llama_cpp.llama_get_memory(self.model.ctx)
        self.batch = llama_cpp.llama_batch_init(context, 0, 1)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        llama_cpp.llama_batch_free(self.batch)
        self.model.close()

    def _decode(self, tokens, start, wanted):
        """Runs `tokens` from position `start` on and returns the logits of the last `wanted`."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = start + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = i >= len(tokens) - wanted
        if llama_cpp.llama_decode(self.model.ctx, batch) != 0:
            raise RuntimeError("llama_decode failed")
        rows = llama_cpp.llama_get_logits(self.model.ctx)
        return numpy.ctypeslib.as_array(rows, (wanted, self.vocabulary))

    def logits(self, tokens, wanted=None):
        """Float32 logits of the last `wanted` tokens (of all) of a text."""
        llama_cpp.llama_memory_clear(self.memory, True)
        return self._decode(tokens, 0, len(tokens) if wanted is None else wanted).copy()

    def greedy(self, prompt, count):
        """The `count` most likely tokens, one after the other; what ends a text does not end it."""
        row = self.logits(prompt, 1)[0]
        tokens = []
        while True:
            tokens.append(int(row.argmax()))
            if len(tokens) == count:
                return tokens
            row = self._decode(tokens[-1:], len(prompt) + len(tokens) - 1, 1)[0]

    def ends(self, token):
        """Whether a token ends an answer."""
        return llama_cpp.llama_vocab_is_eog(self.vocab, token)

    def spellings(self):
        """Token numbers by the text with which Kapok's API writes them."""
        numbers = {}
        buffer = ctypes.create_string_buffer(1024)
        for token in range(self.vocabulary):
            length = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, 1024, 0, True)
            try:
                text = buffer.raw[:length].decode()
            except UnicodeDecodeError:
                text = "bytes:" + "".join(f"\\x{byte:02x}" for byte in buffer.raw[:length])
            if text in numbers:
                numbers[text] = None  # two tokens of one text: not to be told apart
            else:
                numbers[text] = token
        return numbers


def in_f32(path, folder):
    """The file with all its weights dequantised to F32, by llama.cpp; made when it is not there."""
    name = os.path.splitext(os.path.basename(path))[0]
    exact = os.path.join(folder, f"{name}.dequantised.gguf")
    if not os.path.exists(exact) or os.path.getmtime(exact) < os.path.getmtime(path):
        parameters = llama_cpp.llama_model_quantize_default_params()
        parameters.ftype = F32
        parameters.allow_requantize = True
        made = exact + ".part"
        status = llama_cpp.llama_model_quantize(
            path.encode(), made.encode(), ctypes.byref(parameters))
        if status != 0:
            raise RuntimeError(f"llama_model_quantize ended with {status}")
        os.replace(made, exact)
    return exact


def oracle(path, folder, threads, context=1024):
    return Peer(in_f32(path, folder), threads, context, exact=True)
