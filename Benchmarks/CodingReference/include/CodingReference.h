// ISA-L driven from C as its own programs do, for the benchmark to hold Kapok's coding against.
// Loops are in C, so that nothing of Swift is in the reference's time.
#ifndef KAPOK_CODING_REFERENCE_H
#define KAPOK_CODING_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/// A Reed-Solomon coding with its tables for encoding and for one pattern of losses: as many of the
/// first shards as there is parity.
typedef struct coding_reference coding_reference;

/// Null unless 0 <= M <= K and 1 <= K <= 32 - M, or when memory is short.
coding_reference *coding_reference_create(int data_shards, int parity_shards);
void coding_reference_destroy(coding_reference *reference);

/// Computes the parity of `shards` (K + M pointers to `length` bytes, data first), `times` times.
void coding_reference_encode(
    const coding_reference *reference, int length, unsigned char **shards, int times);

/// Rebuilds the first M of `shards` from the others, `times` times.
void coding_reference_rebuild(
    const coding_reference *reference, int length, unsigned char **shards, int times);

/// ISA-L's reflected CRC-64 of ECMA-182, `times` times; the results exclusive-or'ed.
uint64_t coding_reference_crc64(const void *bytes, size_t count, int times);

/// memcpy, `times` times.
void coding_reference_copy(void *to, const void *from, size_t count, int times);

#endif
