#define _GNU_SOURCE
#include "CUring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/uio.h>

struct kapok_uring {
    struct io_uring ring;
};

int kapok_uring_create(unsigned entries, kapok_uring **out) {
    kapok_uring *made = calloc(1, sizeof *made);
    if (!made) return -ENOMEM;
    // Kernels before 6.1 refuse the second set with EINVAL; the plain ring works the same, slower.
    const unsigned flags[] = {
        IORING_SETUP_CLAMP | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_CLAMP,
    };
    int result = -EINVAL;
    for (unsigned i = 0; i < 2 && result == -EINVAL; i++)
        result = io_uring_queue_init(entries, &made->ring, flags[i]);
    if (result < 0) {
        free(made);
        return result;
    }
    *out = made;
    return 0;
}

void kapok_uring_destroy(kapok_uring *ring) {
    io_uring_queue_exit(&ring->ring);
    free(ring);
}

int kapok_uring_read(
    kapok_uring *ring, uint64_t tag, int fd, void *bytes, unsigned count, uint64_t offset) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_read(entry, fd, bytes, count, offset);
    io_uring_sqe_set_data64(entry, tag);
    return 0;
}

int kapok_uring_write(
    kapok_uring *ring, uint64_t tag, int fd, const void *bytes, unsigned count, uint64_t offset,
    int durable) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_write(entry, fd, bytes, count, offset);
    if (durable) entry->rw_flags = RWF_DSYNC;
    io_uring_sqe_set_data64(entry, tag);
    return 0;
}

int kapok_uring_fdatasync(kapok_uring *ring, uint64_t tag, int fd) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(entry, tag);
    return 0;
}

int kapok_uring_submit_and_wait(kapok_uring *ring) {
    return io_uring_submit_and_wait(&ring->ring, 1);
}

unsigned kapok_uring_take(
    kapok_uring *ring, kapok_uring_completion *completions, unsigned capacity) {
    struct io_uring_cqe *entry;
    unsigned head, taken = 0;
    io_uring_for_each_cqe(&ring->ring, head, entry) {
        if (taken == capacity) break;
        completions[taken].tag = io_uring_cqe_get_data64(entry);
        completions[taken].result = entry->res;
        taken++;
    }
    io_uring_cq_advance(&ring->ring, taken);
    return taken;
}
