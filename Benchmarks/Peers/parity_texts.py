"""What llama_parity.py runs the models on: texts, prompts and tokens."""
import glob
import os
import subprocess
import sysconfig
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# Several hundred tokens: prose, a conversation, code, data, numbers, many languages.
LOGIT_TEXTS = [
    """The lighthouse keeper had not seen a ship for eleven days. Each evening he climbed the
hundred and forty steps, trimmed the wick, and wrote the state of the sea into his book; each
morning he found the same grey water under the same grey sky. "If nobody comes," he said to the
cat, "we shall have to eat the oats." The cat, who disliked oats, looked out of the window.
""",
    """<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
<|im_start|>user
What is the difference between a list and a tuple in Python?<|im_end|>
<|im_start|>assistant
A list is mutable: you can add, remove and change its items. A tuple is immutable.<|im_end|>
""",
    '''def quicksort(items):
    """Sorts a list; takes n log n comparisons on average."""
    if len(items) < 2:
        return items
    pivot, rest = items[0], items[1:]
    left = [x for x in rest if x < pivot]
    right = [x for x in rest if x >= pivot]
    return quicksort(left) + [pivot] + quicksort(right)

#include <stdint.h>
static inline uint32_t rotate_left(uint32_t x, int r) { return (x << r) | (x >> (32 - r)); }

SELECT c.name, SUM(o.total) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.name;
''',
    """{"id": 4711, "tags": ["red", "blue"], "price": 12.50, "stock": null}
2024-02-29T12:00:00Z 192.168.0.1 GET /index.html 200 5316
3.14159265358979 2.71828182845905 1.41421356237310 | 17 * 23 = 391 | x^2 + 2x + 1 = (x + 1)^2
""",
    """Der Fluss trat im Frühjahr über die Ufer, und das halbe Dorf stand unter Wasser.
La petite fille regardait la mer sans rien dire, un coquillage dans la main.
El tren salió de la estación a las siete y media de la mañana, casi vacío.
Весной река разлилась, и половина деревни оказалась под водой.
春になると川があふれ、村の半分が水につかった。 我们明天早上七点在火车站见面吧。
봄이 되자 강물이 넘쳤다. في الربيع فاض النهر على ضفتيه. वसंत में नदी उफान पर थी।
Την άνοιξη το ποτάμι ξεχείλισε. באביב הנהר עלה על גדותיו. 🙂🚀 naïve café Ærøskøbing ﬁn
""",
]


def prompts():
    """(kind, text) of parity_prompts.txt; `chat` texts belong into the chat template."""
    with open(os.path.join(HERE, "parity_prompts.txt"), encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if "\t" in line]
    return [
        (kind, text.replace("\\n", "\n"))
        for kind, text in (line.split("\t", 1) for line in lines)]


def long_text(characters):
    """Prose and code that every Debian machine with Python has: licences, then documentation of
    this repository, then Python's sources; a third each."""
    root = os.path.dirname(os.path.dirname(HERE))
    library = sysconfig.get_paths()["stdlib"]
    sources = [
        sorted(glob.glob("/usr/share/common-licenses/*")),
        sorted(glob.glob(os.path.join(root, "docs", "*.md"))),
        [os.path.join(library, name + ".py") for name in (
            "argparse", "ast", "bisect", "calendar", "csv", "datetime", "difflib", "fractions",
            "heapq", "inspect", "shutil", "statistics", "textwrap", "uuid")],
    ]
    parts = []
    for paths in sources:
        text = ""
        seen = set()
        for path in paths:
            real = os.path.realpath(path)  # GPL is a link to GPL-3
            if len(text) < characters // len(sources) and real not in seen \
                    and os.path.isfile(path):
                seen.add(real)
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read() + "\n"
        parts.append(text[: characters // len(sources)])
    return "".join(parts)


def tokenize(kapok, model, text, *options):
    """Kapok's tokens of a text; others are shown the same ones."""
    output = subprocess.run(
        [kapok, "model", "tokenize", model, *options], input=text.encode(), check=True,
        capture_output=True).stdout
    return [int(word) for word in output.split()]


class TemporaryText:
    """A file with a text for as long as it takes."""

    def __init__(self, text):
        self.text = text

    def __enter__(self):
        with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", suffix=".txt", delete=False) as file:
            file.write(self.text)
        self.path = file.name
        return self.path

    def __exit__(self, kind, value, trace):
        os.unlink(self.path)
