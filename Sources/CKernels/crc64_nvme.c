// CRC-64/NVME by tables and by folding. The folding follows V. Gopal et al., "Fast CRC Computation
// for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), in its bit-reflected form.

#include "CKernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// The polynomial AD93D23594C93659 with its bits reversed.
static const uint64_t polynomial = 0x9A6C9329AC4BC9B5;

// tables[j][b]: the effect of byte b followed by j zero bytes.
static uint64_t tables[8][256];

static void fill_tables(void) {
    for (unsigned b = 0; b < 256; b++) {
        uint64_t value = b;
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (-(value & 1) & polynomial);
        tables[0][b] = value;
    }
    for (unsigned b = 0; b < 256; b++) {
        for (int j = 1; j < 8; j++) {
            uint64_t before = tables[j - 1][b];
            tables[j][b] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

static inline uint64_t load64(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

// Works on the state itself, without the inversions at start and end.
static uint64_t advance_by_table(uint64_t state, const uint8_t *p, size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word = load64(p) ^ state;
        state = tables[7][word & 0xFF] ^ tables[6][(word >> 8) & 0xFF] ^
                tables[5][(word >> 16) & 0xFF] ^ tables[4][(word >> 24) & 0xFF] ^
                tables[3][(word >> 32) & 0xFF] ^ tables[2][(word >> 40) & 0xFF] ^
                tables[1][(word >> 48) & 0xFF] ^ tables[0][word >> 56];
    }
    for (; n > 0; p++, n--) state = (state >> 8) ^ tables[0][(state ^ *p) & 0xFF];
    return state;
}

static uint64_t crc_by_table(uint64_t crc, const void *bytes, size_t count) {
    return ~advance_by_table(~crc, bytes, count);
}

#if defined(__x86_64__)

// Moving a 128-bit block D bits up the message multiplies its first eight bytes by x^(D+64) and its
// last eight by x^D. A reflected product sits one bit low, hence the exponents D+63 and D-1, all
// modulo the polynomial, reflected: low word, high word.
#define FOLD_128 0xEADC41FD2BA3D420, 0x21E9761E252621AC
#define FOLD_256 0xB0BC2E589204F500, 0xE1E0BB9D45D7A44C
#define FOLD_512 0x0C32CDB31E18A84A, 0x62242240ACE5045A
#define FOLD_1024 0xA1CA681E733F9C40, 0x5F852FB61E8D92DC
#define FOLD_2048 0x37CCD3E14069CABC, 0xA043808C0F782663
#define FOLD_4096 0xD0B3AA0ED6D54AE0, 0xC2409E2537AA5EB1
// floor(x^128 / P) without its top bit, reflected.
#define BARRETT 0x13F67D194D77CFBB

#define SSE_TARGET __attribute__((target("sse4.1,ssse3,pclmul")))
#define INLINE static inline __attribute__((always_inline))

SSE_TARGET INLINE __m128i pair(uint64_t low, uint64_t high) {
    return _mm_set_epi64x((long long)high, (long long)low);
}

SSE_TARGET INLINE __m128i load128(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)p);
}

// `block` moved up by the distance of `by`, plus `next`.
SSE_TARGET INLINE __m128i fold(__m128i block, __m128i by, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(block, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(block, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// The remainder of block * x^64 modulo the polynomial.
SSE_TARGET INLINE uint64_t reduce(__m128i block) {
    // First half times x^128, second half times x^64: 128 bits again, now without the factor.
    __m128i product = _mm_clmulepi64_si128(block, pair(0x21E9761E252621AC, 0), 0x00);
    __m128i rest = _mm_xor_si128(product, _mm_srli_si128(block, 8));
    // Barrett: the quotient's bits from the upper half, then take quotient times P away.
    __m128i constants = pair(BARRETT, polynomial);
    uint64_t upper = (uint64_t)_mm_cvtsi128_si64(rest);
    uint64_t estimate =
        (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(rest, constants, 0x00));
    uint64_t quotient = upper ^ (estimate << 1);
    __m128i taken = _mm_clmulepi64_si128(pair(quotient, 0), constants, 0x10);
    uint64_t taken_low = (uint64_t)_mm_cvtsi128_si64(taken);
    uint64_t taken_high = (uint64_t)_mm_extract_epi64(taken, 1);
    return (uint64_t)_mm_extract_epi64(rest, 1) ^ (taken_high << 1 | taken_low >> 63);
}

// As shuffles: sixteen bytes from `sliding + n` move a block's first n bytes to its end, those from
// `sliding + 16 + n` its last 16 - n bytes to its start; what is left is zero.
static const uint8_t sliding[48] = {
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
};

// Takes in the last n < 16 bytes before `end`; at least 16 - n bytes of message lie before them.
SSE_TARGET INLINE __m128i fold_tail(__m128i block, const uint8_t *end, size_t n) {
    if (n == 0) return block;
    __m128i first = _mm_shuffle_epi8(block, load128(sliding + n));
    __m128i kept = _mm_shuffle_epi8(block, load128(sliding + 16 + n));
    // The message's last sixteen bytes with those that are in `block` already cut away.
    __m128i mask = _mm_cmpgt_epi8(_mm_setzero_si128(), load128(sliding + 16 + n));
    __m128i last = _mm_and_si128(load128(end - 16), mask);
    return fold(first, pair(FOLD_128), _mm_or_si128(kept, last));
}

// Takes in whole blocks and the tail after `block`, and reduces.
SSE_TARGET INLINE uint64_t finish(__m128i block, const uint8_t *p, size_t n) {
    __m128i by = pair(FOLD_128);
    for (; n >= 16; p += 16, n -= 16) block = fold(block, by, load128(p));
    return ~reduce(fold_tail(block, p + n, n));
}

SSE_TARGET INLINE uint64_t crc_below_128(uint64_t crc, const uint8_t *p, size_t n) {
    __m128i block = _mm_xor_si128(load128(p), pair(~crc, 0));
    return finish(block, p + 16, n - 16);
}

SSE_TARGET static uint64_t crc_by_pclmul(uint64_t crc, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    size_t n = count;
    if (n < 16) return ~advance_by_table(~crc, p, n);
    if (n < 128) return crc_below_128(crc, p, n);
    // Eight blocks side by side hide the latency of the multiplication.
    __m128i block[8];
    for (int i = 0; i < 8; i++) block[i] = load128(p + 16 * i);
    block[0] = _mm_xor_si128(block[0], pair(~crc, 0));
    p += 128;
    n -= 128;
    __m128i by = pair(FOLD_1024);
    for (; n >= 128; p += 128, n -= 128) {
        for (int i = 0; i < 8; i++) block[i] = fold(block[i], by, load128(p + 16 * i));
    }
    for (int i = 0; i < 4; i++) block[i + 4] = fold(block[i], pair(FOLD_512), block[i + 4]);
    for (int i = 4; i < 6; i++) block[i + 2] = fold(block[i], pair(FOLD_256), block[i + 2]);
    return finish(fold(block[6], pair(FOLD_128), block[7]), p, n);
}

#define WIDE_TARGET \
    __attribute__((target("avx512f,avx512vl,avx512dq,vpclmulqdq,pclmul,sse4.1,ssse3")))

// Four 128-bit blocks at once. 0x96 is the truth table of a three-way exclusive or.
WIDE_TARGET INLINE __m512i fold_wide(__m512i blocks, __m512i by, __m512i next) {
    __m512i low = _mm512_clmulepi64_epi128(blocks, by, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(blocks, by, 0x11);
    return _mm512_ternarylogic_epi64(low, high, next, 0x96);
}

WIDE_TARGET INLINE __m512i spread(uint64_t low, uint64_t high) {
    return _mm512_broadcast_i32x4(pair(low, high));
}

WIDE_TARGET INLINE __m512i load512(const uint8_t *p) { return _mm512_loadu_si512(p); }

// Four blocks become one.
WIDE_TARGET INLINE __m128i narrow(__m512i blocks) {
    __m256i low = _mm512_castsi512_si256(blocks);
    __m256i high = _mm512_extracti64x4_epi64(blocks, 1);
    __m256i by = _mm256_broadcastsi128_si256(pair(FOLD_256));
    __m256i product_low = _mm256_clmulepi64_epi128(low, by, 0x00);
    __m256i product_high = _mm256_clmulepi64_epi128(low, by, 0x11);
    __m256i product = _mm256_ternarylogic_epi64(product_low, product_high, high, 0x96);
    return fold(
        _mm256_castsi256_si128(product), pair(FOLD_128), _mm256_extracti128_si256(product, 1));
}

WIDE_TARGET static uint64_t crc_by_vpclmul(uint64_t crc, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    size_t n = count;
    if (n < 16) return ~advance_by_table(~crc, p, n);
    if (n < 128) return crc_below_128(crc, p, n);
    __m512i start = _mm512_zextsi128_si512(pair(~crc, 0));
    __m512i blocks = _mm512_xor_si512(load512(p), start);
    p += 64;
    n -= 64;
    if (n >= 448) {
        __m512i lane[8] = {blocks};
        for (int i = 1; i < 8; i++) lane[i] = load512(p + 64 * (i - 1));
        p += 448;
        n -= 448;
        __m512i by = spread(FOLD_4096);
        for (; n >= 512; p += 512, n -= 512) {
            for (int i = 0; i < 8; i++) lane[i] = fold_wide(lane[i], by, load512(p + 64 * i));
        }
        by = spread(FOLD_2048);
        for (int i = 0; i < 4; i++) lane[i + 4] = fold_wide(lane[i], by, lane[i + 4]);
        by = spread(FOLD_1024);
        for (int i = 4; i < 6; i++) lane[i + 2] = fold_wide(lane[i], by, lane[i + 2]);
        blocks = fold_wide(lane[6], spread(FOLD_512), lane[7]);
    }
    __m512i by = spread(FOLD_512);
    for (; n >= 64; p += 64, n -= 64) blocks = fold_wide(blocks, by, load512(p));
    return finish(narrow(blocks), p, n);
}

#endif

typedef uint64_t (*crc64_function)(uint64_t, const void *, size_t);

static crc64_function function_of(kapok_crc64_implementation implementation) {
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_CRC64_PCLMUL: return crc_by_pclmul;
    case KAPOK_CRC64_VPCLMUL: return crc_by_vpclmul;
#endif
    default: return crc_by_table;
    }
}

int kapok_crc64_nvme_supports(kapok_crc64_implementation implementation) {
    switch (implementation) {
    case KAPOK_CRC64_TABLE: return 1;
#if defined(__x86_64__)
    case KAPOK_CRC64_PCLMUL:
        return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1") &&
               __builtin_cpu_supports("ssse3");
    case KAPOK_CRC64_VPCLMUL:
        return kapok_crc64_nvme_supports(KAPOK_CRC64_PCLMUL) &&
               __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
    default: return 0;
    }
}

static kapok_crc64_implementation chosen = KAPOK_CRC64_TABLE;
static crc64_function chosen_function = crc_by_table;

// At load time, before any thread runs: what follows reads these without synchronisation.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    fill_tables();
    for (int i = KAPOK_CRC64_VPCLMUL; i > KAPOK_CRC64_TABLE; i--) {
        if (kapok_crc64_nvme_supports((kapok_crc64_implementation)i)) {
            chosen = (kapok_crc64_implementation)i;
            break;
        }
    }
    chosen_function = function_of(chosen);
}

uint64_t kapok_crc64_nvme(uint64_t crc, const void *bytes, size_t count) {
    return chosen_function(crc, bytes, count);
}

kapok_crc64_implementation kapok_crc64_nvme_chosen(void) { return chosen; }

uint64_t kapok_crc64_nvme_with(
    kapok_crc64_implementation implementation, uint64_t crc, const void *bytes, size_t count) {
    return function_of(implementation)(crc, bytes, count);
}
