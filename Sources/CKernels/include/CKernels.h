// SIMD kernels that Swift cannot express, chosen once at load time by CPU features. Each has a
// portable reference that the tests hold it against.
#ifndef KAPOK_CKERNELS_H
#define KAPOK_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "fp32_tile.h"
#include "linear.h"
#include "linear_peak.h"
#include "sgemm.h"
#include "transformer.h"

/// CRC-64/NVME (NVM Express NVM Command Set 1.0, "64b CRC"; also called Rocksoft): polynomial
/// AD93D23594C93659, reflected, start and final value all ones; "123456789" gives
/// AE8B14860A799888.
///
/// `crc` is 0 to start, or the result over the bytes before, to continue.
uint64_t kapok_crc64_nvme(uint64_t crc, const void *bytes, size_t count);

/// The implementations that `kapok_crc64_nvme` chooses from.
typedef enum {
    /// Slicing-by-8 over tables: runs everywhere.
    KAPOK_CRC64_TABLE = 0,
    /// Folding by carry-less multiplication, 128 bits wide.
    KAPOK_CRC64_PCLMUL = 1,
    /// Folding by carry-less multiplication, 512 bits wide (AVX-512 and VPCLMULQDQ).
    KAPOK_CRC64_VPCLMUL = 2,
} kapok_crc64_implementation;

/// Whether this processor can run `implementation`.
int kapok_crc64_nvme_supports(kapok_crc64_implementation implementation);

/// The implementation in use.
kapok_crc64_implementation kapok_crc64_nvme_chosen(void);

/// As `kapok_crc64_nvme`, by one implementation; only where `kapok_crc64_nvme_supports` says so.
uint64_t kapok_crc64_nvme_with(
    kapok_crc64_implementation implementation, uint64_t crc, const void *bytes, size_t count);

/// The implementations that `kapok_md5_blocks` chooses from.
typedef enum {
    /// One stream after the other: runs everywhere.
    KAPOK_MD5_PORTABLE = 0,
    /// Up to 8 streams at once.
    KAPOK_MD5_AVX2 = 1,
    /// Up to 16 streams at once (AVX-512F and VL).
    KAPOK_MD5_AVX512 = 2,
} kapok_md5_implementation;

/// MD5's compression (RFC 1321, 3.4) over `lanes` independent streams, as many at once as the
/// processor can: advances `states[l]` by the `block_counts[l]` blocks of 64 bytes at `data[l]`,
/// aligned anyhow. A state begins as 67452301 EFCDAB89 98BADCFE 10325476; padding is the caller's.
/// Streams may go from call to call in any company, or alone.
void kapok_md5_blocks(
    uint32_t (*states)[4], const uint8_t *const *data, const size_t *block_counts, size_t lanes);

/// Whether this processor can run `implementation`.
int kapok_md5_supports(kapok_md5_implementation implementation);

/// The implementation in use.
kapok_md5_implementation kapok_md5_chosen(void);

/// As `kapok_md5_blocks`, by one implementation; only where `kapok_md5_supports` says so.
void kapok_md5_blocks_with(
    kapok_md5_implementation implementation, uint32_t (*states)[4], const uint8_t *const *data,
    const size_t *block_counts, size_t lanes);

#endif
