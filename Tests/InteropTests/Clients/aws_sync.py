"""`aws s3 sync` of a directory of real files, up and down again: identical."""

import os
import sys

from region import FULL, Checks, Region, make_tree, run


def main():
    checks = Checks()
    with Region() as region:
        source = os.path.join(region.folder, "source")
        target = os.path.join(region.folder, "target")
        count = make_tree(source, 5_000 if FULL else 600)
        with open(os.path.join(source, "large.bin"), "wb") as file:
            for _ in range(20 if FULL else 3):  # above the threshold of 8 MiB: multipart
                file.write(os.urandom(5 << 20))
        with open(os.path.join(source, "name with spaces + ünïcode & more.txt"), "w") as file:
            file.write("kapok")
        open(os.path.join(source, "empty"), "w").close()

        def aws(*words):
            command = [sys.executable, "-m", "awscli", "--endpoint-url", region.s3, *words]
            result = run(command, env=region.environment(), timeout=1800)
            checks.that("aws " + " ".join(words[:3]), result.returncode == 0, result.stdout[-2000:])
            return result.stdout

        aws("s3", "mb", "s3://sync")
        aws("s3", "sync", source, "s3://sync/deep/prefix", "--no-progress", "--only-show-errors")
        listing = aws("s3", "ls", "s3://sync/deep/prefix/", "--recursive", "--summarize")
        checks.that(
            f"{count + 3} objects are listed", f"Total Objects: {count + 3}" in listing,
            listing[-200:])
        aws("s3", "sync", "s3://sync/deep/prefix", target, "--no-progress", "--only-show-errors")
        difference = run(["diff", "-r", source, target])
        checks.equal("the directories are identical", difference.stdout, "")
        checks.equal("diff ends with 0", difference.returncode, 0)

        again = aws("s3", "sync", source, "s3://sync/deep/prefix", "--no-progress")
        checks.equal("a second sync has nothing to do", again, "")
        os.remove(os.path.join(source, "empty"))
        aws("s3", "sync", source, "s3://sync/deep/prefix", "--delete", "--only-show-errors")
        listing = aws("s3", "ls", "s3://sync/deep/prefix/", "--recursive", "--summarize")
        checks.that("--delete deletes", f"Total Objects: {count + 2}" in listing, listing[-200:])
        aws("s3", "rb", "s3://sync", "--force")
        checks.equal("a clean stop", region.stop(), 0)
    checks.finish()


main()
