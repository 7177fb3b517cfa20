/// Network namespaces, for the lab: Swift's Glibc module leaves out what needs `_GNU_SOURCE`.
#ifndef KAPOK_NAMESPACE_H
#define KAPOK_NAMESPACE_H

/// Moves the calling thread into the network namespace that `descriptor` stands for (setns(2) with
/// `CLONE_NEWNET`). Returns 0, or an errno.
int kapok_enter_network_namespace(int descriptor);

#endif
