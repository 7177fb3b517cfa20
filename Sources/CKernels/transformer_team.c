// A team of threads whose meetings cost a fraction of a microsecond when all of them run, and
// little when one of them does not.
//
// Who waits spins for a bounded time and then sleeps on a futex. A sleep and a wake-up cost 5 to
// 50 microseconds (the more when a processor of a virtual machine went idle), so spinning about as
// long costs at most twice what the best choice would have (Karlin et al., "Competitive
// randomized algorithms for nonuniform problems", 1990). Pieces of a phase end within a few
// microseconds of one another; when one is late by more, its thread was most likely descheduled, for
// milliseconds, and spinning would keep from the processor what the machine's others need.
// Between two jobs the caller samples and schedules, some 10 to 100 microseconds: the spin there
// is longer, so that a stream of tokens does not pay for a wake-up each time.
//
// There is no barrier that counts threads: when two threads share one processor with others, each
// barrier would take two turns of the system's scheduler, a hundred and more times for a token.

#include "CKernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

#define PHASE_SPIN_NANOSECONDS 50000
#define IDLE_SPIN_NANOSECONDS 100000
// Between two looks at the clock; a pause takes 10 to 40 nanoseconds.
#define PAUSES 32

#define OPEN 0x80000000u

// Small, so that few lines have to be cleared before a job.
typedef struct {
    _Atomic uint32_t claimed;
    _Atomic uint32_t done;
} phase;

struct kapok_team {
    // Apart, so that who spins on one does not slow down who writes another; two lines, since
    // processors fetch lines in pairs.

    // Counts jobs.
    _Alignas(128) _Atomic uint32_t job;
    // OPEN while the job can be entered, and how many threads besides the caller are in it.
    _Alignas(128) _Atomic uint32_t entry;
    // Threads that sleep until there is a job; and within one.
    _Alignas(128) _Atomic uint32_t resting, waiting;
    _Alignas(128) uint32_t threads;
    _Atomic uint32_t dismissed;
    kapok_team_body body;
    void *context;
    _Alignas(128) phase phases[KAPOK_TEAM_PHASES];
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

// After `value` became what threads may wait for. Sequentially consistent, as in the waits: one of
// the two sides sees the other.
static void wake(_Atomic uint32_t *value, _Atomic uint32_t *sleepers) {
    if (atomic_load(sleepers) == 0) return;
#if defined(__linux__)
    syscall(SYS_futex, value, FUTEX_WAKE_PRIVATE, 0x7FFFFFFF, NULL, NULL, 0);
#endif
}

// Until `value` is `wanted`, or where `is_change`, until it is not any more.
static void wait_for(
    _Atomic uint32_t *value, uint32_t wanted, int is_change, _Atomic uint32_t *sleepers,
    uint64_t spin) {
    uint64_t end = 0;
    while (1) {
        for (int i = 0; i < PAUSES; i++) {
            const uint32_t now = atomic_load_explicit(value, memory_order_acquire);
            if ((now == wanted) != is_change) return;
            relax();
        }
        const uint64_t now = nanoseconds();
        if (end == 0) end = now + spin;
        if (now >= end) break;
    }
    atomic_fetch_add(sleepers, 1);
    while (1) {
        const uint32_t now = atomic_load(value);
        if ((now == wanted) != is_change) break;
        sleep_while(value, now);
    }
    atomic_fetch_sub(sleepers, 1);
}

kapok_team *kapok_team_create(uint32_t threads) {
    kapok_team *team = aligned_alloc(128, sizeof(kapok_team));
    if (team == NULL) return NULL;
    memset(team, 0, sizeof *team);
    team->threads = threads;
    return team;
}

void kapok_team_destroy(kapok_team *team) { free(team); }

static int enter(kapok_team *team) {
    uint32_t entry = atomic_load(&team->entry);
    while (entry & OPEN) {
        if (atomic_compare_exchange_weak(&team->entry, &entry, entry + 1)) return 1;
    }
    return 0;
}

void kapok_team_serve(kapok_team *team, uint32_t index) {
    uint32_t seen = 0;
    while (1) {
        wait_for(&team->job, seen, 1, &team->resting, IDLE_SPIN_NANOSECONDS);
        seen = atomic_load(&team->job);
        if (atomic_load(&team->dismissed)) return;
        // Who comes too late finds the job closed; who comes to it twice finds nothing to do.
        if (!enter(team)) continue;
        team->body(team->context, index);
        if (atomic_fetch_sub(&team->entry, 1) == 1) wake(&team->entry, &team->waiting);
    }
}

void kapok_team_run(kapok_team *team, uint32_t phases, kapok_team_body body, void *context) {
    memset(team->phases, 0, phases * sizeof(phase));
    if (team->threads == 1) {
        body(context, 0);
        return;
    }
    team->body = body;
    team->context = context;
    atomic_store(&team->entry, OPEN);
    atomic_fetch_add(&team->job, 1);
    wake(&team->job, &team->resting);
    body(context, 0);
    if (atomic_fetch_and(&team->entry, ~OPEN) != OPEN) {
        wait_for(&team->entry, 0, 0, &team->waiting, PHASE_SPIN_NANOSECONDS);
    }
}

uint32_t kapok_team_claim(kapok_team *team, uint32_t phase) {
    return atomic_fetch_add_explicit(&team->phases[phase].claimed, 1, memory_order_relaxed);
}

void kapok_team_finish(kapok_team *team, uint32_t phase, uint32_t count, uint32_t pieces) {
    _Atomic uint32_t *const done = &team->phases[phase].done;
    if (count > 0 && atomic_fetch_add(done, count) + count == pieces) {
        wake(done, &team->waiting);
        return;
    }
    wait_for(done, pieces, 0, &team->waiting, PHASE_SPIN_NANOSECONDS);
}

void kapok_team_dismiss(kapok_team *team) {
    atomic_store(&team->dismissed, 1);
    atomic_fetch_add(&team->job, 1);
    wake(&team->job, &team->resting);
}
