// What memory and the integer units can do at most: the base that linear layers are measured
// against.

#include "linear_layout.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// More chains than latency times units on any processor of today.
#define CHAINS 16
// The next lines that no processor foresees as well as a stated distance does: 4 KiB lose 3 to 5
// per cent where others use the memory, 12 KiB gain nothing.
#define AHEAD 8192

static uint64_t read_portable(const uint8_t *bytes, size_t count) {
    uint64_t sums[4] = {0};
    for (size_t i = 0; i < count; i += 32) {
        for (int s = 0; s < 4; s++) {
            uint64_t word;
            memcpy(&word, bytes + i + 8 * s, 8);
            sums[s] ^= word;
        }
    }
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
}

static uint32_t peak_portable(uint64_t rounds) {
    uint32_t sums[CHAINS];
    for (uint32_t c = 0; c < CHAINS; c++) sums[c] = c;
    for (uint64_t r = 0; r < rounds; r++) {
        for (int c = 0; c < CHAINS; c++) {
            sums[c] += (uint8_t)sums[c] * (uint32_t)(int8_t)(r + (uint64_t)c);
        }
    }
    uint32_t sum = 0;
    for (int c = 0; c < CHAINS; c++) sum += sums[c];
    return sum;
}

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))

AVX2 static uint64_t read_avx2(const uint8_t *bytes, size_t count) {
    __m256i sums[8];
    UNROLL for (int s = 0; s < 8; s++) sums[s] = _mm256_setzero_si256();
    for (size_t i = 0; i < count; i += 256) {
        UNROLL for (int s = 0; s < 8; s++) {
            if (s % 2 == 0) _mm_prefetch((const char *)bytes + i + 32 * s + AHEAD, _MM_HINT_T0);
            const __m256i *at = (const __m256i *)(bytes + i + 32 * s);
            sums[s] = _mm256_xor_si256(sums[s], _mm256_load_si256(at));
        }
    }
    UNROLL for (int s = 1; s < 8; s++) sums[0] = _mm256_xor_si256(sums[0], sums[s]);
    return (uint64_t)(sums[0][0] ^ sums[0][1] ^ sums[0][2] ^ sums[0][3]);
}

AVX512 static uint64_t read_avx512(const uint8_t *bytes, size_t count) {
    __m512i sums[8];
    UNROLL for (int s = 0; s < 8; s++) sums[s] = _mm512_setzero_si512();
    for (size_t i = 0; i < count; i += 512) {
        UNROLL for (int s = 0; s < 8; s++) {
            _mm_prefetch((const char *)bytes + i + 64 * s + AHEAD, _MM_HINT_T0);
            sums[s] = _mm512_xor_si512(sums[s], _mm512_load_si512(bytes + i + 64 * s));
        }
    }
    UNROLL for (int s = 1; s < 8; s++) sums[0] = _mm512_xor_si512(sums[0], sums[s]);
    return (uint64_t)_mm512_reduce_add_epi64(sums[0]);
}

// Pairs in 16 bits, then in 32: three instructions for 32 products.
AVX2 static uint32_t peak_avx2(uint64_t rounds) {
    __m256i sums[CHAINS];
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i weights = _mm256_set1_epi8(3), x = _mm256_set1_epi8(-5);
    UNROLL for (int c = 0; c < CHAINS; c++) sums[c] = _mm256_setzero_si256();
    for (uint64_t r = 0; r < rounds; r++) {
        // Opaque, or the compiler would compute the products once.
        __asm__("" : "+x"(weights), "+x"(x));
        UNROLL for (int c = 0; c < CHAINS; c++) {
            const __m256i pairs = _mm256_maddubs_epi16(weights, x);
            sums[c] = _mm256_add_epi32(sums[c], _mm256_madd_epi16(pairs, ones));
            __asm__("" : "+x"(weights));
        }
    }
    UNROLL for (int c = 1; c < CHAINS; c++) sums[0] = _mm256_add_epi32(sums[0], sums[c]);
    return (uint32_t)_mm256_extract_epi32(sums[0], 0);
}

AVX512 static uint32_t peak_avx512(uint64_t rounds) {
    __m512i sums[CHAINS];
    __m512i weights = _mm512_set1_epi8(3), x = _mm512_set1_epi8(-5);
    UNROLL for (int c = 0; c < CHAINS; c++) sums[c] = _mm512_setzero_si512();
    for (uint64_t r = 0; r < rounds; r++) {
        __asm__("" : "+v"(weights), "+v"(x));
        UNROLL for (int c = 0; c < CHAINS; c++) {
            sums[c] = _mm512_dpbusd_epi32(sums[c], weights, x);
        }
    }
    UNROLL for (int c = 1; c < CHAINS; c++) sums[0] = _mm512_add_epi32(sums[0], sums[c]);
    return (uint32_t)_mm512_reduce_add_epi32(sums[0]);
}

#endif

uint64_t kapok_linear_read(
    kapok_linear_implementation implementation, const void *bytes, size_t count) {
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_LINEAR_AVX2: return read_avx2(bytes, count);
    case KAPOK_LINEAR_AVX512: return read_avx512(bytes, count);
#endif
    default: return read_portable(bytes, count);
    }
}

uint32_t kapok_linear_peak(kapok_linear_implementation implementation, uint64_t rounds) {
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_LINEAR_AVX2: return peak_avx2(rounds);
    case KAPOK_LINEAR_AVX512: return peak_avx512(rounds);
#endif
    default: return peak_portable(rounds);
    }
}

size_t kapok_linear_peak_products(kapok_linear_implementation implementation) {
    switch (implementation) {
    case KAPOK_LINEAR_AVX2: return 32;
    case KAPOK_LINEAR_AVX512: return 64;
    default: return 1;
    }
}
