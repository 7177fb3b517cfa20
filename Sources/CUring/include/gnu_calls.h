/// System calls that the C library declares for _GNU_SOURCE only, and so not for Swift. They return
/// what the calls return and leave errno alone.
#ifndef GNU_CALLS_H
#define GNU_CALLS_H

#include <stdint.h>

/// fallocate(2) of all space from 0 to `length`; the file grows to it.
int kapok_fallocate(int fd, int64_t length);

/// Turns O_DIRECT on for an open file.
int kapok_set_direct(int fd);

/// What statfs(2) tells of a file system; sizes in bytes.
typedef struct kapok_file_system {
    uint32_t magic;
    uint64_t total;
    uint64_t available;
} kapok_file_system;

/// statfs(2), or fstatfs(2) when `path` is null.
int kapok_statfs(const char *path, int fd, kapok_file_system *result);

/// Names the calling thread; at most 15 bytes.
void kapok_name_thread(const char *name);

/// An eventfd of count 0 that is closed on exec.
int kapok_eventfd(void);

/// Adds one to the count of an eventfd.
void kapok_eventfd_wake(int fd);

/// pwritev2 of one buffer with RWF_DSYNC: returns when the data are on stable media.
int64_t kapok_pwrite_durable(int fd, const void *bytes, uint64_t count, int64_t offset);

#endif
