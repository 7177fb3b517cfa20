// Matrices of weights times tokens' activations:
// y[token][row] = sum over k of w[row][k] * x[token][k].
// Weights are repacked once, 16 rows interleaved. The result of each (row, token) depends on that
// row and that token alone: the same operations in the same order, whatever the number of tokens
// and the range of rows. Included by CKernels.h.
#ifndef KAPOK_LINEAR_H
#define KAPOK_LINEAR_H

#include <stddef.h>
#include <stdint.h>

/// Storage of weights as model files have it, numbered as GGUF does (ggml.h, enum ggml_type).
typedef enum {
    KAPOK_WEIGHT_F32 = 0,
    KAPOK_WEIGHT_F16 = 1,
    KAPOK_WEIGHT_Q4_0 = 2,
    KAPOK_WEIGHT_Q4_1 = 3,
    KAPOK_WEIGHT_Q5_0 = 6,
    KAPOK_WEIGHT_Q5_1 = 7,
    KAPOK_WEIGHT_Q8_0 = 8,
    KAPOK_WEIGHT_Q4_K = 12,
    KAPOK_WEIGHT_Q5_K = 13,
    KAPOK_WEIGHT_Q6_K = 14,
    KAPOK_WEIGHT_BF16 = 30,
} kapok_weight_type;

/// The implementations that the linear kernels choose from, once, at load time.
typedef enum {
    KAPOK_LINEAR_PORTABLE = 0,
    KAPOK_LINEAR_AVX2 = 1,
    /// AVX-512 F, BW, VL, DQ and VNNI.
    KAPOK_LINEAR_AVX512 = 2,
} kapok_linear_implementation;

/// Rows that are interleaved: row ranges given to `kapok_linear` begin at multiples of it.
#define KAPOK_LINEAR_ROWS 16

/// Whether this processor can run `implementation`.
int kapok_linear_supports(kapok_linear_implementation implementation);

/// The implementation in use: the best supported, or the last one set.
kapok_linear_implementation kapok_linear_chosen(void);

/// Chooses an implementation for the whole process (tests); only where supported.
void kapok_linear_choose(kapok_linear_implementation implementation);

/// Bytes of `rows` x `columns` weights of `type` when repacked (rows rounded up to 16); a multiple
/// of 64. Packed weights must lie at a multiple of 64.
size_t kapok_linear_packed_bytes(kapok_weight_type type, size_t rows, size_t columns);

/// Repacks rows `row_begin ..< row_end` (a multiple of 16; `row_end` also, or `rows`) of a file's
/// matrix into `packed`. Missing rows of the last 16 become zeros.
void kapok_linear_pack(
    kapok_weight_type type, size_t rows, size_t columns, const void *file_rows, void *packed,
    size_t row_begin, size_t row_end);

/// Bytes of one token's activations of `columns` elements as weights of `type` want them; a
/// multiple of 64. Packed activations must lie at a multiple of 64.
size_t kapok_linear_activation_bytes(kapok_weight_type type, size_t columns);

/// Whether two types want the same form of activations, so that one packing serves both.
int kapok_linear_same_activations(kapok_weight_type a, kapok_weight_type b);

/// Brings `tokens` rows of activations (`x`, `x_stride` floats apart) into the form that weights
/// of `type` want (8-bit integers with a scale for each 32 elements; floats for F32, F16, BF16).
void kapok_linear_pack_activations(
    kapok_weight_type type, size_t columns, const float *x, size_t x_stride, size_t tokens,
    void *packed);

/// y[token * y_stride + row] for rows `row_begin ..< row_end` and all tokens.
void kapok_linear(
    kapok_weight_type type, size_t columns, const void *packed_weights, size_t row_begin,
    size_t row_end, const void *packed_activations, size_t tokens, float *y, size_t y_stride);

/// As `kapok_linear_pack_activations`, by one implementation; only where supported.
void kapok_linear_pack_activations_with(
    kapok_linear_implementation implementation, kapok_weight_type type, size_t columns,
    const float *x, size_t x_stride, size_t tokens, void *packed);

/// As `kapok_linear`, by one implementation; only where supported. All give the same bits.
void kapok_linear_with(
    kapok_linear_implementation implementation, kapok_weight_type type, size_t columns,
    const void *packed_weights, size_t row_begin, size_t row_end, const void *packed_activations,
    size_t tokens, float *y, size_t y_stride);

#endif
