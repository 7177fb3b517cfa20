// How packed weights and packed activations lie in memory, for all implementations alike.
//
// Weights: groups of 16 rows one after the other, each read from its first byte to its last: what
// lies in turns in two places is read from memory at half the speed.
//
// Quantised types go by blocks of 32 columns, and these by runs: a run's scales, then its blocks.
// A vector of 64 bytes of a block holds four neighbouring columns of each of the 16 rows, a row's
// four bytes side by side; vector j holds the columns 4j ... 4j + 3.
//   8-bit:  8 vectors, each byte plus 128
//   4-bit:  4 vectors: vector p has vector p in its low nibbles, vector p + 4 in its high ones
//   5-bit:  as 4-bit, then one vector whose bit j of each byte is the fifth bit of vector j's
//   6-bit:  as 4-bit, then two vectors: bits 2(j % 4) and up of each byte of vector j / 4 are the
//           fifth and sixth bit of vector j's
// Scales of a run:
//   without minimum: two blocks, for each 16 halves d
//   with minimum: one block, 16 halves d, 16 halves m
//   K types: a superblock of eight blocks, 16 halves d, 16 halves dmin (Q6_K: nothing), then for
//   each block 16 bytes and again 16 bytes: scale and minimum, in Q6_K the scales of its halves
//
// F32, F16, BF16 have no scales; column by column, 16 rows side by side.
#ifndef KAPOK_LINEAR_LAYOUT_H
#define KAPOK_LINEAR_LAYOUT_H

#include <string.h>

#include "CKernels.h"

#define INLINE static inline __attribute__((always_inline))
#define HIDDEN __attribute__((visibility("hidden")))
#define UNROLL _Pragma("clang loop unroll(full)")

#define BLOCK 32
#define SUPERBLOCK 256

// What belongs to a block of one token's activations besides its 32 bytes: they are followed, after
// the last block, by one of these for each block.
typedef struct {
    // An activation is scale * byte.
    float scale;
    // scale * the sum of the bytes.
    float scaled_sum;
    // -8 * the sum of the bytes, and of the first 16: what subtracting 8 from each weight adds.
    int32_t offset, first_offset;
    // -128 * the sum of the bytes: for 8-bit weights, whose kernel would spend a shift on it.
    int32_t byte_offset;
} activation_block;

// One call of kapok_linear.
typedef struct {
    kapok_weight_type type;
    size_t columns;
    const uint8_t *weights;
    size_t row_begin, row_end;
    const uint8_t *activations;
    size_t activation_stride, tokens;
    float *y;
    size_t y_stride;
} linear_call;

HIDDEN void kapok_linear_multiply_portable(const linear_call *call);
HIDDEN void kapok_linear_multiply_avx2(const linear_call *call);
HIDDEN void kapok_linear_multiply_avx512(const linear_call *call);

// Those of kapok_linear_integers.
HIDDEN void kapok_linear_integers_portable(const linear_call *call, int32_t *y);
HIDDEN void kapok_linear_integers_avx512(const linear_call *call, int32_t *y);

INLINE size_t up_to_64(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

INLINE int is_float(kapok_weight_type type) {
    return type == KAPOK_WEIGHT_F32 || type == KAPOK_WEIGHT_F16 || type == KAPOK_WEIGHT_BF16;
}

INLINE int has_superblocks(kapok_weight_type type) {
    return type == KAPOK_WEIGHT_Q4_K || type == KAPOK_WEIGHT_Q5_K || type == KAPOK_WEIGHT_Q6_K;
}

INLINE int has_minimum(kapok_weight_type type) {
    return type == KAPOK_WEIGHT_Q4_1 || type == KAPOK_WEIGHT_Q5_1 || type == KAPOK_WEIGHT_Q4_K ||
           type == KAPOK_WEIGHT_Q5_K;
}

INLINE int has_nibbles(kapok_weight_type type) { return type != KAPOK_WEIGHT_Q8_0; }

INLINE int has_fifth_bits(kapok_weight_type type) {
    return type == KAPOK_WEIGHT_Q5_0 || type == KAPOK_WEIGHT_Q5_1 || type == KAPOK_WEIGHT_Q5_K;
}

// By how much the bits of 8 must go left to give what is subtracted from each weight; -1: nothing.
INLINE int offset_shift(kapok_weight_type type) {
    switch (type) {
    case KAPOK_WEIGHT_Q4_0: return 0;
    case KAPOK_WEIGHT_Q5_0: return 1;
    case KAPOK_WEIGHT_Q6_K: return 2;
    case KAPOK_WEIGHT_Q8_0: return 4;
    default: return -1;
    }
}

// Bytes of a block of 16 rows in the plane of weights.
INLINE size_t block_bytes(kapok_weight_type type) {
    if (type == KAPOK_WEIGHT_Q8_0) return 512;
    if (type == KAPOK_WEIGHT_Q6_K) return 384;
    return has_fifth_bits(type) ? 320 : 256;
}

// Blocks of a run.
INLINE size_t run_blocks(kapok_weight_type type) {
    if (has_superblocks(type)) return SUPERBLOCK / BLOCK;
    return has_minimum(type) ? 1 : 2;
}

// Bytes of the scales before a run's blocks.
INLINE size_t run_scale_bytes(kapok_weight_type type) { return has_superblocks(type) ? 320 : 64; }

INLINE size_t float_bytes(kapok_weight_type type) { return type == KAPOK_WEIGHT_F32 ? 4 : 2; }

INLINE size_t group_bytes(kapok_weight_type type, size_t columns) {
    if (is_float(type)) return up_to_64(columns * float_bytes(type) * KAPOK_LINEAR_ROWS);
    const size_t blocks = columns / BLOCK, run = run_blocks(type);
    return (blocks + run - 1) / run * run_scale_bytes(type) + blocks * block_bytes(type);
}

// Where the scales of block `b` lie in a group, counted from its first byte, and the block itself.
INLINE size_t run_offset(kapok_weight_type type, size_t b) {
    const size_t run = run_blocks(type);
    return b / run * (run_scale_bytes(type) + run * block_bytes(type));
}

INLINE size_t block_offset(kapok_weight_type type, size_t b) {
    return run_offset(type, b) + run_scale_bytes(type) + b % run_blocks(type) * block_bytes(type);
}

INLINE float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

INLINE float float_of_half(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF;
    if (rest >= 0x7C00) {
        // Infinite, or a NaN made quiet, as vcvtph2ps does.
        return float_of_bits(sign | 0x7F800000 | rest << 13 | (rest > 0x7C00 ? 0x400000 : 0));
    }
    // 2^112 brings the exponent from one bias to the other, subnormal numbers included.
    return float_of_bits(sign | rest << 13) * 0x1p112f;
}

INLINE float float_of_bfloat(uint16_t bits) { return float_of_bits((uint32_t)bits << 16); }

INLINE uint16_t load_16(const void *bytes) {
    uint16_t value;
    memcpy(&value, bytes, 2);
    return value;
}

INLINE uint32_t load_32(const void *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return value;
}

#endif
