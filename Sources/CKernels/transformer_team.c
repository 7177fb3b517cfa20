// A team of threads with a barrier that costs a fraction of a microsecond when all threads run,
// and no processor time when one of them does not.
//
// Who waits spins for a bounded time and then sleeps on a futex. A sleep and a wake-up cost 5 to
// 50 microseconds (the more when the processor went idle in a virtual machine), so spinning about as
// long costs at most twice what the best choice would have (Karlin et al., "Competitive
// randomized algorithms for nonuniform problems", 1990). Parts of a job end within a few
// microseconds of one another; when a thread is late by more, it was most likely descheduled, for
// milliseconds, and spinning would keep from the processor what the machine's others need.
// Between two passes the caller samples and schedules, some 10 to 100 microseconds: the spin there
// is longer, so that a stream of tokens does not pay for a wake-up each time.

#include "CKernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

#define BARRIER_SPIN_NANOSECONDS 50000
#define IDLE_SPIN_NANOSECONDS 100000
// Between two looks at the clock; a pause takes 10 to 40 nanoseconds.
#define PAUSES 32

// Apart, so that who spins on one does not slow down who writes another; two lines, since
// processors fetch lines in pairs.
typedef struct {
    _Alignas(128) _Atomic uint32_t value;
    // Who sleeps until `value` changes.
    _Atomic uint32_t sleepers;
} event;

struct kapok_team {
    event job;
    event generation;
    _Alignas(128) _Atomic uint32_t arrived;
    _Alignas(128) _Atomic uint32_t next;
    _Alignas(128) uint32_t threads;
    kapok_team_body body;
    void *context;
    _Atomic uint32_t dismissed;
};

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// The futex call compares before it sleeps; where there is none, giving way has to do.
static void sleep_while(_Atomic uint32_t *value, uint32_t old) {
#if defined(__linux__)
    syscall(SYS_futex, value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
#else
    if (atomic_load(value) == old) sched_yield();
#endif
}

static void wait_while(event *event, uint32_t old, uint64_t spin) {
    uint64_t end = 0;
    while (1) {
        for (int i = 0; i < PAUSES; i++) {
            if (atomic_load_explicit(&event->value, memory_order_acquire) != old) return;
            relax();
        }
        const uint64_t now = nanoseconds();
        if (end == 0) end = now + spin;
        if (now >= end) break;
    }
    // Sequentially consistent, as the change and the look at `sleepers` in `change`: one of the
    // two sees the other.
    atomic_fetch_add(&event->sleepers, 1);
    while (atomic_load(&event->value) == old) sleep_while(&event->value, old);
    atomic_fetch_sub(&event->sleepers, 1);
}

static void change(event *event) {
    atomic_fetch_add(&event->value, 1);
    if (atomic_load(&event->sleepers) == 0) return;
#if defined(__linux__)
    syscall(SYS_futex, &event->value, FUTEX_WAKE_PRIVATE, 0x7FFFFFFF, NULL, NULL, 0);
#endif
}

kapok_team *kapok_team_create(uint32_t threads) {
    kapok_team *team = aligned_alloc(128, sizeof(kapok_team));
    if (team == NULL) return NULL;
    atomic_init(&team->job.value, 0);
    atomic_init(&team->job.sleepers, 0);
    atomic_init(&team->generation.value, 0);
    atomic_init(&team->generation.sleepers, 0);
    atomic_init(&team->arrived, 0);
    atomic_init(&team->next, 0);
    atomic_init(&team->dismissed, 0);
    team->threads = threads;
    return team;
}

void kapok_team_destroy(kapok_team *team) { free(team); }

void kapok_team_serve(kapok_team *team, uint32_t index) {
    for (uint32_t seen = 0;; seen++) {
        wait_while(&team->job, seen, IDLE_SPIN_NANOSECONDS);
        if (atomic_load(&team->dismissed)) return;
        team->body(team->context, index);
        kapok_team_barrier(team);
    }
}

void kapok_team_run(kapok_team *team, kapok_team_body body, void *context) {
    team->body = body;
    team->context = context;
    if (team->threads > 1) change(&team->job);
    body(context, 0);
    kapok_team_barrier(team);
}

void kapok_team_barrier(kapok_team *team) {
    const uint32_t generation =
        atomic_load_explicit(&team->generation.value, memory_order_relaxed);
    const uint32_t before = atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel);
    if (before + 1 < team->threads) {
        wait_while(&team->generation, generation, BARRIER_SPIN_NANOSECONDS);
        return;
    }
    // Nobody else is between two barriers now.
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&team->next, 0, memory_order_relaxed);
    if (team->threads > 1) change(&team->generation);
}

uint32_t kapok_team_next(kapok_team *team) {
    return atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
}

void kapok_team_dismiss(kapok_team *team) {
    atomic_store(&team->dismissed, 1);
    change(&team->job);
}
