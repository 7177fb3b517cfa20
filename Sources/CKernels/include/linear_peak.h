// The limits that linear layers are measured against. Included by CKernels.h.
#ifndef KAPOK_LINEAR_PEAK_H
#define KAPOK_LINEAR_PEAK_H

#include "linear.h"

/// Reads `count` bytes (a multiple of 1024, at a multiple of 64) once, in order, as fast as
/// `implementation` can. Returns a value that depends on all.
uint64_t kapok_linear_read(
    kapok_linear_implementation implementation, const void *_Nonnull bytes, size_t count);

/// Does `rounds` times 16 independent products of `kapok_linear_peak_products` bytes each, added to
/// 32-bit sums in registers alone: the most that this processor can do. Returns a value that
/// depends on all.
uint32_t kapok_linear_peak(kapok_linear_implementation implementation, uint64_t rounds);

/// Multiplications of 8-bit integers in one step of `kapok_linear_peak`.
size_t kapok_linear_peak_products(kapok_linear_implementation implementation);

/// The integer part of `kapok_linear` for Q8_0 alone: y[token * y_stride + row] = the sum over k of
/// the weight's byte times the activation's byte, without any scale, with the same packed operands
/// and the same tile. What the scales of the blocks cost is the difference.
void kapok_linear_integers(
    kapok_linear_implementation implementation, size_t columns,
    const void *_Nonnull packed_weights, size_t row_begin, size_t row_end,
    const void *_Nonnull packed_activations, size_t tokens, int32_t *_Nonnull y, size_t y_stride);

#endif
