#define _GNU_SOURCE
#include "gnu_calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <stddef.h>
#include <sys/statfs.h>
#include <sys/uio.h>

int kapok_fallocate(int fd, int64_t length) { return fallocate(fd, 0, 0, length); }

int kapok_set_direct(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_DIRECT);
}

int kapok_statfs(const char *path, int fd, kapok_file_system *result) {
    struct statfs status;
    int failure = path ? statfs(path, &status) : fstatfs(fd, &status);
    if (failure) return failure;
    result->magic = (uint32_t)status.f_type;
    result->total = (uint64_t)status.f_blocks * (uint64_t)status.f_bsize;
    result->available = (uint64_t)status.f_bavail * (uint64_t)status.f_bsize;
    return 0;
}

void kapok_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int kapok_eventfd(void) { return eventfd(0, EFD_CLOEXEC); }

void kapok_eventfd_wake(int fd) { eventfd_write(fd, 1); }

int64_t kapok_pwrite_durable(int fd, const void *bytes, uint64_t count, int64_t offset) {
    struct iovec vector = {(void *)bytes, count};
    return pwritev2(fd, &vector, 1, offset, RWF_DSYNC);
}
