"""M drives deleted, overwritten or cut short while the region runs: all reads are right, and
`kapok store check` names the drives."""

import json
import os
import random

from region import Checks, Region, run

DRIVES, K, M = 6, 4, 2
BUCKET = "drives"


def delete(path):
    os.remove(path)


def truncate(path):
    os.truncate(path, 4096)


def overwrite(path):
    """Random bytes over everything that was written, without changing the size."""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        position = 0
        while position < size:
            # Holes stay holes: what was never written has nothing to lose.
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:
                break
            end = min(os.lseek(file.fileno(), position, os.SEEK_HOLE), position + (256 << 20))
            while position < end:
                count = min(1 << 20, end - position)
                os.pwrite(file.fileno(), os.urandom(count), position)
                position += count
        os.fsync(file.fileno())


def scatter(path):
    """One wrong byte in every 64 KiB."""
    size = min(os.path.getsize(path), 512 << 20)
    with open(path, "r+b") as file:
        for position in range(0, size, 65_536):
            where = position + random.randrange(min(65_536, size - position))
            old = os.pread(file.fileno(), 1, where)
            os.pwrite(file.fileno(), bytes([old[0] ^ 0xFF]), where)
        os.fsync(file.fileno())


def damage(checks, how):
    name = how.__name__
    with Region("--drives", str(DRIVES), "--coding", f"{K}+{M}") as region:
        s3 = region.client()
        s3.create_bucket(Bucket=BUCKET)
        bodies = {}
        for number, size in enumerate([0, 1, 4096, 5000, 70_000, 1 << 20, (9 << 20) + 1] * 8):
            key = f"{number}"
            bodies[key] = random.randbytes(size)
            s3.put_object(Bucket=BUCKET, Key=key, Body=bodies[key])

        files = region.drive_files(DRIVES)
        hit = sorted(random.sample(range(DRIVES), M))
        for position in hit:
            how(files[position])

        wrong = []
        for key, body in bodies.items():
            found = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            if found != body:
                wrong.append(key)
        checks.equal(f"{name} of drives {hit}: reads are right", wrong, [])
        part = s3.get_object(Bucket=BUCKET, Key="6", Range="bytes=1000000-5000000")["Body"].read()
        checks.equal(f"{name}: ranges too", part, bodies["6"][1_000_000:5_000_001])

        result = run(
            [os.environ["KAPOK_BINARY"], "store", "check", "--json", "--data", region.data],
            env=region.environment())
        report = json.loads(result.stdout.strip().splitlines()[-1])["report"]
        bad = sorted(
            drive["position"] for drive in report["drives"]
            if drive.get("failure") or drive["missing"] or drive["corrupt"])
        checks.equal(f"{name}: `store check` names the drives", bad, hit)
        checks.equal(f"{name}: `store check` ends with 1", result.returncode, 1)

        # A clean stop and a start without the drives: the same bytes.
        checks.equal(f"{name}: a clean stop", region.stop(), 0)
        region.start()
        s3 = region.client()
        wrong = [
            key for key, body in bodies.items()
            if s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() != body]
        checks.equal(f"{name}: reads are right after a restart", wrong, [])


def main():
    checks = Checks()
    seed = int(os.environ.get("KAPOK_SEED", random.randrange(1_000_000)))
    print(f"seed {seed}", flush=True)
    random.seed(seed)
    for how in (delete, truncate, overwrite, scatter):
        checks.section(damage, checks, how)
    checks.finish()


main()
