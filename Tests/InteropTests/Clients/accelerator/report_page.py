"""`kapok kernel profile --html` in a headless Chromium: the page loads, draws, says the report's figures, and
follows its address."""

import html
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from region import Checks  # noqa: E402

checks = Checks()

KERNEL = ["matmul", "--step", "v5", "--m", "1024", "--k", "1024", "--n", "1024", "--type", "bf16"]


def write_page(folder):
    page = os.path.join(folder, "report.html")
    result = subprocess.run(
        [os.environ["KAPOK_BINARY"], "kernel", "profile", *KERNEL, "--html", page, "--json"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise RuntimeError(f"kapok ended with {result.returncode}: {result.stderr[-2000:]}")
    return page, json.loads(result.stdout)


def elements_after(page, address, folder):
    """The page's elements when its script has run."""
    result = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--user-data-dir={folder}/browser", "--window-size=1600,1000",
         "--virtual-time-budget=10000", "--dump-dom", f"file://{page}{address}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return result.stdout


def text_of(elements, identifier):
    """The text in the element with that id, as far as its first end tag."""
    found = re.search(rf'id="{identifier}"[^>]*>(.*?)</(?:div|p|h1|dl)>', elements, re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", found.group(1))) if found else ""


def draws(page, report, folder):
    elements = elements_after(page, "", folder)
    checks.that("the run was unpacked", re.search(r'id="loading"[^>]*hidden', elements),
                text_of(elements, "loading"))
    checks.equal("the kernel is named", text_of(elements, "kernel").strip(), report["kernel"])
    checks.that("the canvas has a size", re.search(r'id="base"[^>]*height="[1-9]\d\d', elements))
    for engine in ("tensor", "tensorLoad", "vector", "sync", "dma"):
        share = f'{100 * report["engines"][engine]["activeShare"]:.1f} %'
        checks.that(f"the overview says how active {engine} was",
                    re.search(rf"<b>{engine}</b></td>.*?{re.escape(share)}", elements, re.S), share)


def follows_its_address(page, report, folder):
    step = next(s for s in report["criticalPath"] if s["opcode"] == "multiplyMoving")
    number = step["instruction"]
    elements = elements_after(
        page, f"#select=i{number}&tab=lines&path=1&find=multiplyMoving", folder)
    checks.that("the instruction is selected",
                f"<h2>#{number} multiplyMoving</h2>" in elements)
    checks.that("its operands are shown", "partitions 0-127, 512 bf16" in elements)
    checks.that("the critical path is shown",
                re.search(r'id="path-button" aria-pressed="true"', elements))
    count = report["engines"]["tensor"]["count"]
    checks.that("the search counts its matches", f">{count} found<" in elements)
    lines = [line for line in report["lines"] if "file" in line]
    for line in lines:
        checks.that("each source line is in the table",
                    f'{line["file"]}:{line["line"]}' in elements)
    total = report["totalTicks"]
    elements = elements_after(page, f"#range=0-{total}", folder)
    share = f'{100 * report["engines"]["tensor"]["activeShare"]:.1f} %'
    checks.that("a range over the whole run sums up to the report's figures",
                re.search(rf"<b>tensor</b><span[^>]*>{re.escape(share)}<", elements), share)


def main():
    with tempfile.TemporaryDirectory() as folder:
        page, report = write_page(folder)
        checks.section(draws, page, report, folder)
        checks.section(follows_its_address, page, report, folder)
    checks.finish()


if __name__ == "__main__":
    main()
