/// Network namespaces and the processes in them, for the lab: what Swift's Glibc module leaves out
/// because it needs `_GNU_SOURCE`.
#ifndef KAPOK_NAMESPACE_H
#define KAPOK_NAMESPACE_H

#include <spawn.h>

/// Moves the calling thread into the network namespace that `descriptor` stands for (setns(2) with
/// `CLONE_NEWNET`). Returns 0, or an errno.
int kapok_enter_network_namespace(int descriptor);

/// Moves the calling thread into a new network namespace of its own (unshare(2) with
/// `CLONE_NEWNET`), which ends with the thread. Returns 0, or an errno.
int kapok_new_network_namespace(void);

/// Makes a pipe whose two ends no new process inherits (pipe2(2) with `O_CLOEXEC`). Returns 0, or
/// an errno.
int kapok_private_pipe(int ends[2]);

/// Lets a process that is to be started close all descriptors from `lowest` on. Returns 0, or an
/// errno.
int kapok_spawn_close_from(posix_spawn_file_actions_t *actions, int lowest);

#endif
