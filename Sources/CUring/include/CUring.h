/// io_uring for one thread: a narrow face of liburing, whose inline functions and unions Swift
/// cannot import well. Every function returns 0 or a count, or a negated errno.
#ifndef CURING_H
#define CURING_H

#include <stdint.h>

#include "gnu_calls.h"

typedef struct kapok_uring kapok_uring;

/// The end of a submission: what it was tagged with and the system call's result or negated errno.
typedef struct kapok_uring_completion {
    uint64_t tag;
    int32_t result;
} kapok_uring_completion;

/// Sets up a ring of `entries` submissions for the calling thread, which is the only one that may
/// use it from here on. The ring costs that thread no interrupts: completions are picked up in
/// `kapok_uring_submit_and_wait` only, when the kernel knows how (6.1).
int kapok_uring_create(unsigned entries, kapok_uring **ring);
void kapok_uring_destroy(kapok_uring *ring);

/// Queue one operation; -EBUSY when the submission queue is full.
int kapok_uring_read(
    kapok_uring *ring, uint64_t tag, int fd, void *bytes, unsigned count, uint64_t offset);
/// With `durable` not 0 the write completes when the data are on stable media (RWF_DSYNC).
int kapok_uring_write(
    kapok_uring *ring, uint64_t tag, int fd, const void *bytes, unsigned count, uint64_t offset,
    int durable);
/// fdatasync.
int kapok_uring_fdatasync(kapok_uring *ring, uint64_t tag, int fd);

/// Hands over what is queued and waits until something has completed.
int kapok_uring_submit_and_wait(kapok_uring *ring);
/// Takes up to `capacity` completions out and returns how many.
unsigned kapok_uring_take(
    kapok_uring *ring, kapok_uring_completion *completions, unsigned capacity);

#endif
