// Small matrix multiplications as the accelerator's tensor engine does them. Included by
// CKernels.h.
#ifndef KAPOK_SGEMM_H
#define KAPOK_SGEMM_H

#include "fp32_tile.h"

/// Columns of a panel of the packed left matrix.
#define KAPOK_SGEMM_PANEL 8

/// Floats that `kapok_sgemm_pack` writes for `m` columns of `k` rows.
size_t kapok_sgemm_packed_count(size_t k, size_t m);

/// Packs a left matrix that lies transposed, row by row: column `i` of row `j` at
/// `rows[j * stride + i]`. Panels of 8 columns come one after the other, each row by row, the last
/// one filled up with zeros.
void kapok_sgemm_pack(
    const float *_Nonnull rows, ptrdiff_t stride, size_t k, size_t m, float *_Nonnull packed);

/// `result[i][j]` = the chain `c = fma(left[0][i], right[0][j], +0)`,
/// `c = fma(left[1][i], right[1][j], c)` and so on to row k - 1; with `accumulates`, the old
/// `result[i][j]` plus that, in one FP32 addition. A NaN becomes 7FC00000. All implementations give
/// the same bits.
///
/// @param packed the left matrix, k rows of m columns, as `kapok_sgemm_pack` wrote it
/// @param right k rows of n columns, a row every `right_stride` floats
/// @param result m rows of n columns, a row every `result_stride` floats
void kapok_sgemm(
    kapok_fp32_implementation implementation, const float *_Nonnull packed,
    const float *_Nonnull right, ptrdiff_t right_stride, size_t k, size_t m, size_t n,
    float *_Nonnull result, ptrdiff_t result_stride, int accumulates);

/// Does `rounds` times 12 independent FP32 multiply-adds of `kapok_sgemm_peak_lanes` lanes each, in
/// registers alone: the most that this processor can do. Returns a value that depends on all.
float kapok_sgemm_peak(kapok_fp32_implementation implementation, uint64_t rounds);

/// Lanes of a vector of `implementation`.
size_t kapok_sgemm_peak_lanes(kapok_fp32_implementation implementation);

#endif
