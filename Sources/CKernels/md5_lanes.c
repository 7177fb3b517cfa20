// MD5 (RFC 1321) over several independent streams at once, one stream in each 32-bit lane of a
// vector. A stream's blocks depend on one another, so one stream alone cannot go faster than the
// latency of 64 steps; several streams share those latencies.

#include "CKernels.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// RFC 1321, 3.4: the 64 steps as (round, word of the block, rotation, floor(2^32 |sin(step)|)).
// Four steps rename a, b, c, d back to where they were.
#define ROUND(F, i0, i1, i2, i3, r0, r1, r2, r3, k0, k1, k2, k3)                                   \
    STEP(F, a, b, c, d, i0, r0, k0)                                                                \
    STEP(F, d, a, b, c, i1, r1, k1)                                                                \
    STEP(F, c, d, a, b, i2, r2, k2)                                                                \
    STEP(F, b, c, d, a, i3, r3, k3)

#define ALL_STEPS                                                                                  \
    ROUND(F, 0, 1, 2, 3, 7, 12, 17, 22, 0xD76AA478, 0xE8C7B756, 0x242070DB, 0xC1BDCEEE)            \
    ROUND(F, 4, 5, 6, 7, 7, 12, 17, 22, 0xF57C0FAF, 0x4787C62A, 0xA8304613, 0xFD469501)            \
    ROUND(F, 8, 9, 10, 11, 7, 12, 17, 22, 0x698098D8, 0x8B44F7AF, 0xFFFF5BB1, 0x895CD7BE)          \
    ROUND(F, 12, 13, 14, 15, 7, 12, 17, 22, 0x6B901122, 0xFD987193, 0xA679438E, 0x49B40821)        \
    ROUND(G, 1, 6, 11, 0, 5, 9, 14, 20, 0xF61E2562, 0xC040B340, 0x265E5A51, 0xE9B6C7AA)            \
    ROUND(G, 5, 10, 15, 4, 5, 9, 14, 20, 0xD62F105D, 0x02441453, 0xD8A1E681, 0xE7D3FBC8)           \
    ROUND(G, 9, 14, 3, 8, 5, 9, 14, 20, 0x21E1CDE6, 0xC33707D6, 0xF4D50D87, 0x455A14ED)            \
    ROUND(G, 13, 2, 7, 12, 5, 9, 14, 20, 0xA9E3E905, 0xFCEFA3F8, 0x676F02D9, 0x8D2A4C8A)           \
    ROUND(H, 5, 8, 11, 14, 4, 11, 16, 23, 0xFFFA3942, 0x8771F681, 0x6D9D6122, 0xFDE5380C)          \
    ROUND(H, 1, 4, 7, 10, 4, 11, 16, 23, 0xA4BEEA44, 0x4BDECFA9, 0xF6BB4B60, 0xBEBFBC70)           \
    ROUND(H, 13, 0, 3, 6, 4, 11, 16, 23, 0x289B7EC6, 0xEAA127FA, 0xD4EF3085, 0x04881D05)           \
    ROUND(H, 9, 12, 15, 2, 4, 11, 16, 23, 0xD9D4D039, 0xE6DB99E5, 0x1FA27CF8, 0xC4AC5665)          \
    ROUND(I, 0, 7, 14, 5, 6, 10, 15, 21, 0xF4292244, 0x432AFF97, 0xAB9423A7, 0xFC93A039)           \
    ROUND(I, 12, 3, 10, 1, 6, 10, 15, 21, 0x655B59C3, 0x8F0CCC92, 0xFFEFF47D, 0x85845DD1)          \
    ROUND(I, 8, 15, 6, 13, 6, 10, 15, 21, 0x6FA87E4F, 0xFE2CE6E0, 0xA3014314, 0x4E0811A1)          \
    ROUND(I, 4, 11, 2, 9, 6, 10, 15, 21, 0xF7537E82, 0xBD3AF235, 0x2AD7D2BB, 0xEB86D391)

static inline uint32_t load32(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

static inline uint32_t rotated(uint32_t value, int count) {
    return value << count | value >> (32 - count);
}

// A step waits for the step before only in its b (here x): what does not depend on it is added up
// first. Compilers like to reassociate that, which makes the chain of latencies longer.
#define KEEP_ORDER(value) __asm__("" : "+r"(value))

// The two halves of G have no bits in common, so they can be added: only one of them waits for x.
#define SCALAR_F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define SCALAR_G(x, y, z) (((y) & ~(z)) + ((x) & (z)))
#define SCALAR_H(x, y, z) ((x) ^ ((y) ^ (z)))
#define SCALAR_I(x, y, z) ((y) ^ ((x) | ~(z)))
#define SCALAR_STEP(f, w, x, y, z, p, i, r, k)                                                     \
    w += load32(p + 4 * i) + (uint32_t)k;                                                          \
    KEEP_ORDER(w);                                                                                 \
    w += f(x, y, z);                                                                               \
    w = rotated(w, r) + x;

#define F SCALAR_F
#define G SCALAR_G
#define H SCALAR_H
#define I SCALAR_I

static void advance_one(uint32_t (*state)[4], const uint8_t **data, size_t blocks) {
    uint32_t a = state[0][0], b = state[0][1], c = state[0][2], d = state[0][3];
    const uint8_t *p = data[0], *end = p + 64 * blocks;
    for (; p < end; p += 64) {
        const uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
#define STEP(f, w, x, y, z, i, r, k) SCALAR_STEP(f, w, x, y, z, p, i, r, k)
        ALL_STEPS
#undef STEP
        a += a0, b += b0, c += c0, d += d0;
    }
    state[0][0] = a, state[0][1] = b, state[0][2] = c, state[0][3] = d;
    data[0] = end;
}

// Two streams, step by step in turn: one stream leaves more than half of a processor idle.
static void advance_two(uint32_t (*state)[4], const uint8_t **data, size_t blocks) {
    uint32_t a1 = state[0][0], b1 = state[0][1], c1 = state[0][2], d1 = state[0][3];
    uint32_t a2 = state[1][0], b2 = state[1][1], c2 = state[1][2], d2 = state[1][3];
    const uint8_t *p = data[0], *q = data[1];
    for (; blocks > 0; p += 64, q += 64, blocks--) {
#define STEP(f, w, x, y, z, i, r, k)                                                               \
    SCALAR_STEP(f, w##1, x##1, y##1, z##1, p, i, r, k)                                             \
    SCALAR_STEP(f, w##2, x##2, y##2, z##2, q, i, r, k)
        ALL_STEPS
#undef STEP
        state[0][0] = a1 += state[0][0], state[0][1] = b1 += state[0][1];
        state[0][2] = c1 += state[0][2], state[0][3] = d1 += state[0][3];
        state[1][0] = a2 += state[1][0], state[1][1] = b2 += state[1][1];
        state[1][2] = c2 += state[1][2], state[1][3] = d2 += state[1][3];
    }
    data[0] = p, data[1] = q;
}

#undef F
#undef G
#undef H
#undef I

// Advances all lanes of a vector by `blocks` blocks, and `data` behind them.
typedef void (*lanes_function)(uint32_t (*states)[4], const uint8_t **data, size_t blocks);

#define LANES_F(x, y, z) (((x) & (y)) | (~(x) & (z)))
#define LANES_G(x, y, z) (((x) & (z)) | ((y) & ~(z)))
#define LANES_H(x, y, z) ((x) ^ (y) ^ (z))
#define LANES_I(x, y, z) ((y) ^ ((x) | ~(z)))

#if defined(__x86_64__)

#undef KEEP_ORDER
#define KEEP_ORDER(value) __asm__("" : "+v"(value))

typedef uint32_t vector4 __attribute__((vector_size(16)));
typedef uint32_t vector8 __attribute__((vector_size(32)));
typedef uint32_t vector16 __attribute__((vector_size(64)));

#define JOINED4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7)
#define JOINED8(a, b)                                                                              \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

// Sixteen bytes of each of the streams j, j + 4, j + 8, ..., from `offset`.
#define PART(j) ((vector4)_mm_loadu_si128((const __m128i *)(data[j] + offset)))
#define ROW4(j) PART(j)
#define ROW8(j) JOINED4(PART(j), PART(j + 4))
#define ROW16(j) JOINED8(ROW8(j), ROW8(j + 8))

#define TARGET __attribute__((target("avx512f,avx512vl")))
#define ADVANCE advance_4_by_avx512
#define LANES 4
#define VECTOR vector4
#define ROW ROW4
#define LOW32(a, b) (VECTOR) _mm_unpacklo_epi32((__m128i)a, (__m128i)b)
#define HIGH32(a, b) (VECTOR) _mm_unpackhi_epi32((__m128i)a, (__m128i)b)
#define LOW64(a, b) (VECTOR) _mm_unpacklo_epi64((__m128i)a, (__m128i)b)
#define HIGH64(a, b) (VECTOR) _mm_unpackhi_epi64((__m128i)a, (__m128i)b)
#include "md5_lanes_kernel.h"
#undef ADVANCE
#undef LANES
#undef VECTOR
#undef ROW
#undef LOW32
#undef HIGH32
#undef LOW64
#undef HIGH64

#define ADVANCE advance_8_by_avx512
#define LANES 8
#define VECTOR vector8
#define ROW ROW8
#define LOW32(a, b) (VECTOR) _mm256_unpacklo_epi32((__m256i)a, (__m256i)b)
#define HIGH32(a, b) (VECTOR) _mm256_unpackhi_epi32((__m256i)a, (__m256i)b)
#define LOW64(a, b) (VECTOR) _mm256_unpacklo_epi64((__m256i)a, (__m256i)b)
#define HIGH64(a, b) (VECTOR) _mm256_unpackhi_epi64((__m256i)a, (__m256i)b)
#include "md5_lanes_kernel.h"
#undef ADVANCE

#undef TARGET
#define TARGET __attribute__((target("avx2")))
#define ADVANCE advance_8_by_avx2
#include "md5_lanes_kernel.h"
#undef ADVANCE
#undef TARGET
#undef LANES
#undef VECTOR
#undef ROW
#undef LOW32
#undef HIGH32
#undef LOW64
#undef HIGH64

#define TARGET __attribute__((target("avx512f,avx512vl")))
#define ADVANCE advance_16_by_avx512
#define LANES 16
#define VECTOR vector16
#define ROW ROW16
#define LOW32(a, b) (VECTOR) _mm512_unpacklo_epi32((__m512i)a, (__m512i)b)
#define HIGH32(a, b) (VECTOR) _mm512_unpackhi_epi32((__m512i)a, (__m512i)b)
#define LOW64(a, b) (VECTOR) _mm512_unpacklo_epi64((__m512i)a, (__m512i)b)
#define HIGH64(a, b) (VECTOR) _mm512_unpackhi_epi64((__m512i)a, (__m512i)b)
#include "md5_lanes_kernel.h"

#endif

enum { MAX_LANES = 16 };

// What an implementation has: how many streams it takes on together, and its functions for 4, 8 and
// 16 lanes. Where there are none for 4, two pairs are faster than half a vector.
typedef struct {
    size_t width;
    lanes_function by_4, by_8, by_16;
} lanes_set;

static lanes_set set_of(kapok_md5_implementation implementation) {
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_MD5_AVX2: return (lanes_set){8, NULL, advance_8_by_avx2, NULL};
    case KAPOK_MD5_AVX512:
        return (lanes_set){16, advance_4_by_avx512, advance_8_by_avx512, advance_16_by_avx512};
#endif
    default: return (lanes_set){2, NULL, NULL, NULL};
    }
}

// Advances `count` lanes by `blocks` blocks. Vector lanes without a stream of their own repeat the
// first one's bytes, into states that nobody reads.
static void advance_together(
    const lanes_set *set, uint32_t (*states)[4], const uint8_t **data, size_t count,
    size_t blocks) {
    const size_t width = count <= 4 ? 4 : count <= 8 ? 8 : 16;
    const lanes_function by_width = width == 4 ? set->by_4 : width == 8 ? set->by_8 : set->by_16;
    if (count > 2 && by_width != NULL) {
        for (size_t lane = count; lane < width; lane++) data[lane] = data[0];
        by_width(states, data, blocks);
        return;
    }
    for (; count >= 2; count -= 2, states += 2, data += 2) advance_two(states, data, blocks);
    if (count == 1) advance_one(states, data, blocks);
}

void kapok_md5_blocks_with(
    kapok_md5_implementation implementation, uint32_t (*states)[4], const uint8_t *const *data,
    const size_t *block_counts, size_t lanes) {
    const lanes_set set = set_of(implementation);
    // The streams being hashed: their places in the arguments, and what is left of them.
    size_t places[MAX_LANES], left[MAX_LANES], count = 0, next = 0;
    const uint8_t *pointers[MAX_LANES];
    uint32_t current[MAX_LANES][4] = {{0}};
    while (true) {
        for (; count < set.width && next < lanes; next++) {
            if (block_counts[next] == 0) continue;
            places[count] = next;
            left[count] = block_counts[next];
            pointers[count] = data[next];
            memcpy(current[count], states[next], sizeof *current);
            count++;
        }
        if (count == 0) return;
        size_t blocks = left[0];
        for (size_t l = 1; l < count; l++) blocks = left[l] < blocks ? left[l] : blocks;
        advance_together(&set, current, pointers, count, blocks);
        // Who has come to an end makes room; the others close up.
        size_t kept = 0;
        for (size_t l = 0; l < count; l++) {
            if (left[l] == blocks) {
                memcpy(states[places[l]], current[l], sizeof *current);
                continue;
            }
            places[kept] = places[l];
            left[kept] = left[l] - blocks;
            pointers[kept] = pointers[l];
            memmove(current[kept], current[l], sizeof *current);
            kept++;
        }
        count = kept;
    }
}

int kapok_md5_supports(kapok_md5_implementation implementation) {
    switch (implementation) {
    case KAPOK_MD5_PORTABLE: return 1;
#if defined(__x86_64__)
    case KAPOK_MD5_AVX2: return __builtin_cpu_supports("avx2") != 0;
    case KAPOK_MD5_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
#endif
    default: return 0;
    }
}

static kapok_md5_implementation chosen = KAPOK_MD5_PORTABLE;

// At load time, before any thread runs: what follows reads this without synchronisation.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (int i = KAPOK_MD5_AVX512; i > KAPOK_MD5_PORTABLE; i--) {
        if (kapok_md5_supports((kapok_md5_implementation)i)) {
            chosen = (kapok_md5_implementation)i;
            break;
        }
    }
}

kapok_md5_implementation kapok_md5_chosen(void) { return chosen; }

void kapok_md5_blocks(
    uint32_t (*states)[4], const uint8_t *const *data, const size_t *block_counts, size_t lanes) {
    kapok_md5_blocks_with(chosen, states, data, block_counts, lanes);
}
