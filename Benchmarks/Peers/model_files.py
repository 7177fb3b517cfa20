"""The model for tests in several quantisations, for what compares Kapok with llama.cpp."""
import os
import subprocess


def add_options(parser, types):
    """The options that say which files, and with how many threads."""
    parser.add_argument("--kapok", default=".build/release/kapok")
    parser.add_argument("--model", default=".models/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--own", default="q4_1", help="the type that the model file has")
    parser.add_argument("--types", default=types)
    parser.add_argument("--scratch", default=".build/bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")


def file_of(options, kind):
    """The model in another type, made by `kapok model quantize` when it is not there yet."""
    if kind == options.own:
        return options.model
    os.makedirs(options.scratch, exist_ok=True)
    path = os.path.join(options.scratch, f"{kind}.gguf")
    if not os.path.exists(path):
        subprocess.run(
            [options.kapok, "model", "quantize", options.model, path, "--type", kind],
            check=True, stdout=subprocess.DEVNULL)
    return path
