"""s3cmd: put, get, ls, sync, multipart, del."""

import os

from region import Checks, Region, make_tree, run


def main():
    checks = Checks()
    with Region() as region:
        host = region.s3.removeprefix("http://")
        config = os.path.join(region.folder, "s3cfg")
        with open(config, "w") as file:
            file.write(
                "[default]\n"
                f"access_key = {region.access_key}\nsecret_key = {region.secret_key}\n"
                f"host_base = {host}\nhost_bucket = {host}\nbucket_location = us-east-1\n"
                "use_https = False\nsignature_v2 = False\n")

        def s3cmd(*words):
            command = ["s3cmd", "-c", config, "--no-progress", *words]
            result = run(command, env=region.environment())
            checks.that(
                "s3cmd " + " ".join(words[:2]), result.returncode == 0, result.stdout[-2000:])
            return result.stdout

        s3cmd("mb", "s3://by-s3cmd")
        small = os.path.join(region.folder, "small")
        with open(small, "wb") as file:
            file.write(os.urandom(100_000))
        large = os.path.join(region.folder, "large")
        with open(large, "wb") as file:
            file.write(os.urandom(17 << 20))
        for name, path in (("small", small), ("large", large)):
            s3cmd("put", "--multipart-chunk-size-mb=5", path, f"s3://by-s3cmd/{name}")
            back = path + ".back"
            s3cmd("get", f"s3://by-s3cmd/{name}", back)
            checks.equal(f"{name} comes back", run(["cmp", path, back]).returncode, 0)
        listing = s3cmd("ls", "s3://by-s3cmd/")
        checks.that("ls shows both", "small" in listing and "large" in listing, listing)
        info = s3cmd("info", "s3://by-s3cmd/small")
        checks.that("info shows the size", "100000" in info, info)

        source = os.path.join(region.folder, "source")
        target = os.path.join(region.folder, "target")
        make_tree(source, 60)
        os.makedirs(target)
        s3cmd("sync", source + "/", "s3://by-s3cmd/tree/")
        s3cmd("sync", "s3://by-s3cmd/tree/", target + "/")
        checks.equal("sync: identical", run(["diff", "-r", source, target]).stdout, "")
        s3cmd("cp", "s3://by-s3cmd/small", "s3://by-s3cmd/copy")
        s3cmd("mv", "s3://by-s3cmd/copy", "s3://by-s3cmd/moved")
        s3cmd("del", "s3://by-s3cmd/small")
        listing = s3cmd("ls", "s3://by-s3cmd/")
        checks.that("del deletes", "/small" not in listing, listing)
        s3cmd("del", "--recursive", "--force", "s3://by-s3cmd")
        s3cmd("rb", "s3://by-s3cmd")
        checks.equal("a clean stop", region.stop(), 0)
    checks.finish()


main()
