"""What the disk under a folder can do, measured without Kapok: flushes, and bytes written."""

import mmap
import os
import threading
import time

BLOCK = 1 << 20


def make_files(folder, count, size):
    """Files whose blocks were written once, as drives are after their first use: a later write
    changes no metadata."""
    files = []
    zeroes = mmap.mmap(-1, BLOCK)
    for number in range(count):
        path = os.path.join(folder, f"limit-{number}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
        for position in range(0, size, BLOCK):
            os.pwrite(descriptor, zeroes, position)
        os.fsync(descriptor)
        files.append(descriptor)
    return files


def remove_files(folder, files):
    for number, descriptor in enumerate(files):
        os.close(descriptor)
        os.remove(os.path.join(folder, f"limit-{number}"))


def at_once(count, work):
    """Runs `work(number)` in `count` threads and waits for them."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def flush_rounds_per_second(folder, drives, bytes_each, seconds=3.0):
    """How often in a second `bytes_each` can be written to each of `drives` files and flushed: what
    one group commit costs. The drives work at the same time and wait for each other."""
    files = make_files(folder, drives, 16 << 20)
    payload = mmap.mmap(-1, bytes_each)
    payload.write(os.urandom(bytes_each))
    rounds = 0
    barrier = threading.Barrier(drives)
    deadline = time.monotonic() + seconds
    going = True

    def work(number):
        nonlocal rounds, going
        position = 0
        while True:
            if number == 0:
                going = time.monotonic() < deadline
            barrier.wait()
            if not going:
                return
            os.pwrite(files[number], payload, position)
            os.fdatasync(files[number])
            position = (position + bytes_each) % (16 << 20)
            barrier.wait()
            if number == 0:
                rounds += 1

    begin = time.monotonic()
    at_once(drives, work)
    elapsed = time.monotonic() - begin
    remove_files(folder, files)
    return rounds / elapsed


def write_megabytes_per_second(folder, drives, seconds=4.0):
    """Bytes written in order to `drives` files at once, a mebibyte at a time and past the page
    cache, flushed at the end; in millions a second."""
    size = 128 << 20
    files = make_files(folder, drives, size)
    payload = mmap.mmap(-1, BLOCK)
    payload.write(os.urandom(BLOCK))
    written = [0] * drives
    deadline = time.monotonic() + seconds

    def work(number):
        while time.monotonic() < deadline:
            os.pwrite(files[number], payload, written[number] % size)
            written[number] += BLOCK
        os.fdatasync(files[number])

    begin = time.monotonic()
    at_once(drives, work)
    elapsed = time.monotonic() - begin
    remove_files(folder, files)
    return sum(written) / elapsed / 1e6
