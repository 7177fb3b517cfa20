// Matrix multiplication with the accelerator's order of operations: every result element is one
// chain of fused multiply-adds over k. Vectors run along n, several rows of the result at once, so
// that many chains hide the latency of one.

#include "CKernels.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define PANEL KAPOK_SGEMM_PANEL

size_t kapok_sgemm_packed_count(size_t k, size_t m) { return (m + PANEL - 1) / PANEL * PANEL * k; }

void kapok_sgemm_pack(
    const float *rows, ptrdiff_t stride, size_t k, size_t m, float *packed) {
    for (size_t j = 0; j < k; j++, rows += stride) {
        for (size_t i = 0; i < m; i += PANEL) {
            float *target = packed + i * k + j * PANEL;
            if (m - i >= PANEL) {
                memcpy(target, rows + i, PANEL * sizeof(float));
            } else {
                memset(target, 0, PANEL * sizeof(float));
                memcpy(target, rows + i, (m - i) * sizeof(float));
            }
        }
    }
}

// One multiplication, cut into tiles of one panel by some columns.
typedef struct {
    const float *packed, *right;
    ptrdiff_t right_stride;
    size_t k, m, n;
    float *result;
    ptrdiff_t result_stride;
    int accumulates;
} product;

INLINE float canonical(float value) { return value == value ? value : __builtin_nanf(""); }

static void multiply_portable(const product *p) {
    for (size_t i = 0; i < p->m; i++) {
        const float *left = p->packed + i / PANEL * PANEL * p->k + i % PANEL;
        float *result = p->result + (ptrdiff_t)i * p->result_stride;
        for (size_t j = 0; j < p->n; j++) {
            const float *right = p->right + j;
            float chain = 0;
            for (size_t k = 0; k < p->k; k++, right += p->right_stride) {
                chain = fmaf(left[k * PANEL], *right, chain);
            }
            result[j] = canonical(p->accumulates ? result[j] + chain : chain);
        }
    }
}

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))

// While a tile is computed, memory that is needed later is on its way: eight rows of the next
// columns, others for each tile of these columns, and the tile's own results. Rows lie pages apart,
// which no processor foresees.
INLINE void prefetch(
    const product *p, const float *next_right, size_t tile, size_t columns, float *result,
    size_t rows) {
    for (size_t k = 8 * tile; k < p->k && k < 8 * tile + 8; k++) {
        const float *row = next_right + (ptrdiff_t)k * p->right_stride;
        for (size_t j = 0; j < columns; j += 16) __builtin_prefetch(row + j, 0, 3);
    }
    for (size_t i = 0; i < rows; i++) {
        float *row = result + (ptrdiff_t)i * p->result_stride;
        for (size_t j = 0; j < columns; j += 16) __builtin_prefetch(row + j, 1, 3);
    }
}

// `rows` rows of a panel by 16 * `vectors` columns; the mask `last` leaves some of the last vector
// out.
AVX512 INLINE void tile_avx512(
    const product *p, const float *left, const float *right, float *result, size_t rows,
    const int vectors, __mmask16 last) {
    __m512 chain[PANEL][3];
#pragma clang loop unroll(full)
    for (int i = 0; i < PANEL; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) chain[i][v] = _mm512_setzero_ps();
    }
    for (size_t k = 0; k < p->k; k++, left += PANEL, right += p->right_stride) {
        __m512 columns[3];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            columns[v] = v + 1 < vectors ? _mm512_loadu_ps(right + 16 * v)
                                         : _mm512_maskz_loadu_ps(last, right + 16 * v);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < PANEL; i++) {
            const __m512 row = _mm512_set1_ps(left[i]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                chain[i][v] = _mm512_fmadd_ps(row, columns[v], chain[i][v]);
            }
        }
    }
    const __m512 nan = _mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < PANEL; i++) {
        if (i >= rows) continue;
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            float *target = result + (ptrdiff_t)i * p->result_stride + 16 * v;
            const __mmask16 mask = v + 1 < vectors ? 0xFFFF : last;
            __m512 sum = chain[i][v];
            if (p->accumulates) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, target), sum);
            const __mmask16 isNaN = _mm512_cmp_ps_mask(sum, sum, _CMP_UNORD_Q);
            _mm512_mask_storeu_ps(target, mask, _mm512_mask_mov_ps(sum, isNaN, nan));
        }
    }
}

AVX512 static void multiply_avx512(const product *p) {
    for (size_t j = 0; j < p->n; j += 48) {
        const size_t columns = p->n - j < 48 ? p->n - j : 48;
        const size_t next = j + 48 < p->n ? j + 48 : j;
        const size_t vectors = (columns + 15) / 16;
        const __mmask16 last = (__mmask16)(0xFFFF >> (16 * vectors - columns));
        for (size_t i = 0; i < p->m; i += PANEL) {
            const float *left = p->packed + i * p->k, *right = p->right + j;
            float *result = p->result + (ptrdiff_t)i * p->result_stride + j;
            const size_t rows = p->m - i < PANEL ? p->m - i : PANEL;
            prefetch(p, p->right + next, i / PANEL, columns, result, rows);
            switch (vectors) {
            case 1: tile_avx512(p, left, right, result, rows, 1, last); break;
            case 2: tile_avx512(p, left, right, result, rows, 2, last); break;
            default: tile_avx512(p, left, right, result, rows, 3, last);
            }
        }
    }
}

// Half a panel by 8 * `vectors` columns: a third vector would leave sixteen registers no room. Only
// with `is_masked` does `last` leave some of the last vector out: masked access is slow in some
// processors.
AVX2 INLINE void tile_avx2(
    const product *p, const float *left, const float *right, float *result, size_t rows,
    const int vectors, const int is_masked, __m256i last) {
    __m256 chain[PANEL / 2][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < PANEL / 2; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) chain[i][v] = _mm256_setzero_ps();
    }
    for (size_t k = 0; k < p->k; k++, left += PANEL, right += p->right_stride) {
        __m256 columns[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            columns[v] = is_masked && v + 1 == vectors ? _mm256_maskload_ps(right + 8 * v, last)
                                                       : _mm256_loadu_ps(right + 8 * v);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < PANEL / 2; i++) {
            const __m256 row = _mm256_set1_ps(left[i]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                chain[i][v] = _mm256_fmadd_ps(row, columns[v], chain[i][v]);
            }
        }
    }
    const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FC00000));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < PANEL / 2; i++) {
        if (i >= rows) continue;
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            const int masks = is_masked && v + 1 == vectors;
            float *target = result + (ptrdiff_t)i * p->result_stride + 8 * v;
            __m256 sum = chain[i][v];
            if (p->accumulates) {
                const __m256 old =
                    masks ? _mm256_maskload_ps(target, last) : _mm256_loadu_ps(target);
                sum = _mm256_add_ps(old, sum);
            }
            sum = _mm256_blendv_ps(sum, nan, _mm256_cmp_ps(sum, sum, _CMP_UNORD_Q));
            if (masks) _mm256_maskstore_ps(target, last, sum);
            else _mm256_storeu_ps(target, sum);
        }
    }
}

AVX2 static void multiply_avx2(const product *p) {
    const __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (size_t j = 0; j < p->n; j += 16) {
        const size_t columns = p->n - j < 16 ? p->n - j : 16;
        const size_t next = j + 16 < p->n ? j + 16 : j;
        const size_t vectors = (columns + 7) / 8;
        const __m256i last =
            _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(columns + 8 - 8 * vectors)), numbers);
        for (size_t i = 0; i < p->m; i += PANEL / 2) {
            const float *left = p->packed + i / PANEL * PANEL * p->k + i % PANEL;
            const float *right = p->right + j;
            float *result = p->result + (ptrdiff_t)i * p->result_stride + j;
            const size_t rows = p->m - i < PANEL / 2 ? p->m - i : PANEL / 2;
            prefetch(p, p->right + next, i / (PANEL / 2), columns, result, rows);
            if (columns == 16) tile_avx2(p, left, right, result, rows, 2, 0, last);
            else if (vectors == 2) tile_avx2(p, left, right, result, rows, 2, 1, last);
            else tile_avx2(p, left, right, result, rows, 1, 1, last);
        }
    }
}

#endif

void kapok_sgemm(
    kapok_fp32_implementation implementation, const float *packed, const float *right,
    ptrdiff_t right_stride, size_t k, size_t m, size_t n, float *result, ptrdiff_t result_stride,
    int accumulates) {
    const product p = {packed, right, right_stride, k, m, n, result, result_stride, accumulates};
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_FP32_AVX2: multiply_avx2(&p); return;
    case KAPOK_FP32_AVX512: multiply_avx512(&p); return;
#endif
    default: multiply_portable(&p);
    }
}
