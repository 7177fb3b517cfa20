/// Datagrams many at a time, with the interface they came by and the kernel's timestamp: ancillary
/// data is read and written with macros that Swift does not import.
#ifndef KAPOK_DATAGRAMS_H
#define KAPOK_DATAGRAMS_H

#include <poll.h>
#include <stdint.h>

/// A datagram that came in.
struct kapok_datagram {
    /// The interface that it came by; 0 when the kernel did not say.
    uint32_t interface;
    /// The sender's IPv4 address, in host order.
    uint32_t source;
    /// Bytes of it in its slot.
    uint32_t length;
    /// The TTL that it arrived with; 0 when the kernel did not say.
    uint32_t ttl;
    /// When the kernel got it: CLOCK_REALTIME in nanoseconds; 0 when the kernel did not say.
    uint64_t arrival;
};

/// A datagram to send.
struct kapok_outgoing {
    /// The interface to send it by.
    uint32_t interface;
    /// The sender's IPv4 address, in host order; 0 for the interface's own.
    uint32_t source;
    /// The receiver's IPv4 address, in host order.
    uint32_t destination;
    /// The receiver's UDP port; 0 on a raw socket.
    uint32_t port;
    /// Where its bytes begin in the buffer.
    uint32_t offset;
    /// How many there are.
    uint32_t length;
    /// 0 when it was sent, else an errno: filled in by `kapok_send_datagrams`.
    int32_t error;
};

/// The most datagrams of one call.
enum { kapok_datagrams_at_once = 64 };

/// Reads up to `count` waiting datagrams, each into its slot of `slot_bytes` bytes of `buffer`;
/// what is longer is cut, and its length is `slot_bytes` + 1. Never waits. Returns how many there
/// were, or a negative errno.
int kapok_receive_datagrams(
    int descriptor, uint8_t *buffer, uint32_t slot_bytes, struct kapok_datagram *info, int count);

/// Sends `count` datagrams. One that fails does not stop the others. Returns how many were sent.
int kapok_send_datagrams(
    int descriptor, const uint8_t *buffer, struct kapok_outgoing *list, int count);

/// Waits until one of `count` descriptors is ready or the monotonic clock reaches `deadline`
/// nanoseconds (ppoll(2)). Returns how many are ready, or a negative errno.
int kapok_wait_until(struct pollfd *items, int count, uint64_t deadline);

/// Lets the calling thread's waits end on time: the kernel may delay those of ordinary threads by
/// 50 us to save power (PR_SET_TIMERSLACK).
void kapok_wait_exactly(void);

/// Keeps the memory that the process uses, now and later, in RAM (mlockall(2)). Returns 0 or an
/// errno.
int kapok_lock_memory(void);

/// Lets the calling thread run before all others that are not real-time threads (SCHED_FIFO, the
/// given priority; with 0, as the least nice ordinary thread). Returns 0 or an errno.
int kapok_run_first(int priority);

/// The CPU time of the calling thread in nanoseconds, in the kernel too (CLOCK_THREAD_CPUTIME_ID).
uint64_t kapok_thread_cpu_nanoseconds(void);

#endif
