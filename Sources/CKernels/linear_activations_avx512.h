// Packing of one token's activations with AVX-512, four blocks at once: what goes across a block,
// its maximum and its sums, takes most of the time of one alone. Included by linear_activations.c.

#include <immintrin.h>

#define AVX512                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")))
// Blocks at once.
#define TOGETHER 4

// In each lane of 128 bits the largest of each of four vectors' lanes, so: a, b, c, d.
AVX512 INLINE __m512i largest_of_lanes(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_max_epu32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_max_epu32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_max_epu32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

// The bits of the largest absolute value of each of four blocks.
AVX512 INLINE __m128i largest_bits(const float *x) {
    const __m512i absolute = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i largest[TOGETHER];
    UNROLL for (int b = 0; b < TOGETHER; b++) {
        largest[b] = _mm512_max_epu32(
            _mm512_and_si512(_mm512_loadu_si512(x + BLOCK * b), absolute),
            _mm512_and_si512(_mm512_loadu_si512(x + BLOCK * b + 16), absolute));
    }
    const __m512i all = largest_of_lanes(largest[0], largest[1], largest[2], largest[3]);
    const __m256i half =
        _mm256_max_epu32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_max_epu32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Two blocks' bytes: their numbers times their block's factor, rounded to the nearest, ties to
// even.
AVX512 INLINE __m512i two_blocks(const float *x, __m512 first, __m512 second) {
    const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), first));
    const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), first));
    const __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 32), second));
    const __m512i d = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 48), second));
    // Packing goes by lanes: four numbers each of a, b, c and d.
    const __m512i mixed = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), mixed);
}

// The sum of each 16 bytes, four times over.
AVX512 INLINE __m512i sums_of_16(__m512i bytes) {
    const __m512i fours = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
    const __m512i pairs = _mm512_add_epi32(fours, _mm512_shuffle_epi32(fours, 0xB1));
    return _mm512_add_epi32(pairs, _mm512_shuffle_epi32(pairs, 0x4E));
}

// What belongs to four blocks besides their bytes, in the order of activation_block.
AVX512 INLINE void
store_extras(activation_block *extras, __m128 scale, __m128i first, __m128i sum) {
    const __m128 scaled = _mm_mul_ps(scale, _mm_cvtepi32_ps(sum));
    const __m128i zero = _mm_setzero_si128();
    const __m128i offset = _mm_sub_epi32(zero, _mm_slli_epi32(sum, 3));
    const __m128i first_offset = _mm_sub_epi32(zero, _mm_slli_epi32(first, 3));
    const __m128i byte_offset = _mm_sub_epi32(zero, _mm_slli_epi32(sum, 7));
    __m512i four = _mm512_castsi128_si512(_mm_castps_si128(scale));
    four = _mm512_inserti32x4(four, _mm_castps_si128(scaled), 1);
    four = _mm512_inserti32x4(four, offset, 2);
    four = _mm512_inserti32x4(four, first_offset, 3);
    // Numbers 0, 4, 8, 12 and, from the second operand, 16 are the first block's.
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 16, 1, 5, 9, 13, 17, 2, 6, 10, 14, 18, 3);
    const __m512i last = _mm512_castsi128_si512(byte_offset);
    _mm512_storeu_si512(extras, _mm512_permutex2var_epi32(four, order, last));
    const __m512i rest = _mm512_setr_epi32(7, 11, 15, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_si128(
        (__m128i *)((uint8_t *)extras + 64),
        _mm512_castsi512_si128(_mm512_permutex2var_epi32(four, rest, last)));
}

AVX512 INLINE void pack_four(const float *x, uint8_t *packed, activation_block *extras) {
    const __m128i largest = largest_bits(x);
    const __m128i above = _mm_sub_epi32(largest, _mm_set1_epi32(SMALLEST));
    // One comparison for both ends: what is too small has become very large.
    if (_mm_cmpge_epu32_mask(above, _mm_set1_epi32(INFINITE - SMALLEST)) != 0) {
        pack_blocks_avx512(TOGETHER, x, packed, extras);
        return;
    }
    const __m128 maximum = _mm_castsi128_ps(largest), most = _mm_set1_ps(127);
    const __m512 factors = _mm512_castps128_ps512(_mm_div_ps(most, maximum));
    __m512 factor[TOGETHER];
    UNROLL for (int b = 0; b < TOGETHER; b++) {
        factor[b] = _mm512_permutexvar_ps(_mm512_set1_epi32(b), factors);
    }
    const __m512i front = two_blocks(x, factor[0], factor[1]);
    const __m512i back = two_blocks(x + 2 * BLOCK, factor[2], factor[3]);
    _mm512_storeu_si512(packed, front);
    _mm512_storeu_si512(packed + 2 * BLOCK, back);
    const __m512i fronts = sums_of_16(front), backs = sums_of_16(back);
    const __m128i firsts = _mm512_castsi512_si128(_mm512_permutex2var_epi32(
        fronts, _mm512_setr_epi32(0, 8, 16, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), backs));
    const __m128i seconds = _mm512_castsi512_si128(_mm512_permutex2var_epi32(
        fronts, _mm512_setr_epi32(4, 12, 20, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), backs));
    store_extras(extras, _mm_div_ps(maximum, most), firsts, _mm_add_epi32(firsts, seconds));
}

AVX512 static void
pack_token_avx512(size_t blocks, const float *x, uint8_t *packed, activation_block *extras) {
    if (blocks < TOGETHER) {
        pack_blocks_avx512(blocks, x, packed, extras);
        return;
    }
    for (size_t b = 0; b < blocks; b += TOGETHER) {
        // The last four begin earlier when less than four are left: some are packed twice.
        const size_t from = b + TOGETHER <= blocks ? b : blocks - TOGETHER;
        pack_four(x + from * BLOCK, packed + from * BLOCK, extras + from);
    }
}
