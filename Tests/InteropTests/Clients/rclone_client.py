"""rclone: copy, check, sync with checksums, multipart."""

import os

from region import Checks, Region, make_tree, run


def main():
    checks = Checks()
    with Region() as region:
        environment = {
            **region.environment(),
            "RCLONE_CONFIG_KAPOK_TYPE": "s3",
            "RCLONE_CONFIG_KAPOK_PROVIDER": "Other",
            "RCLONE_CONFIG_KAPOK_ENDPOINT": region.s3,
            "RCLONE_CONFIG_KAPOK_ACCESS_KEY_ID": region.access_key,
            "RCLONE_CONFIG_KAPOK_SECRET_ACCESS_KEY": region.secret_key,
            "RCLONE_CONFIG_KAPOK_REGION": "us-east-1",
            "RCLONE_CONFIG_KAPOK_FORCE_PATH_STYLE": "true",
        }

        def rclone(*words):
            command = ["rclone", "--config", "", "--retries", "1", "--low-level-retries", "1"]
            result = run([*command, *words], env=environment)
            checks.that(
                "rclone " + " ".join(words[:3]), result.returncode == 0, result.stdout[-2000:])
            return result.stdout

        source = os.path.join(region.folder, "source")
        target = os.path.join(region.folder, "target")
        count = make_tree(source, 200)
        with open(os.path.join(source, "large.bin"), "wb") as file:
            file.write(os.urandom(23 << 20))
        parts = ("--s3-upload-cutoff", "8M", "--s3-chunk-size", "5M")
        rclone("mkdir", "kapok:by-rclone")
        rclone("copy", source, "kapok:by-rclone/tree", *parts)
        rclone("check", source, "kapok:by-rclone/tree", "--download")
        listed = rclone("lsf", "--recursive", "--files-only", "kapok:by-rclone/tree")
        checks.equal("lsf lists every file", len(listed.splitlines()), count + 1)
        rclone("sync", "--checksum", "kapok:by-rclone/tree", target)
        checks.equal("sync: identical", run(["diff", "-r", source, target]).stdout, "")

        with open(os.path.join(source, "large.bin"), "r+b") as file:
            file.write(b"changed")
        os.makedirs(os.path.join(source, "new"))
        with open(os.path.join(source, "new", "file"), "w") as file:
            file.write("new")
        rclone("sync", "--checksum", source, "kapok:by-rclone/tree", *parts)
        rclone("check", source, "kapok:by-rclone/tree", "--download")
        rclone("moveto", "kapok:by-rclone/tree/new/file", "kapok:by-rclone/tree/moved")
        text = rclone("cat", "kapok:by-rclone/tree/moved")
        checks.equal("moveto moves", text, "new")
        rclone("purge", "kapok:by-rclone")
        checks.equal("a clean stop", region.stop(), 0)
    checks.finish()


main()
