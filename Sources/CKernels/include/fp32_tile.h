// Rows of numbers as the accelerator's engines compute on them: conversions between FP32 and the
// types of memory, elementwise operations, reductions. Included by CKernels.h.
#ifndef KAPOK_FP32_TILE_H
#define KAPOK_FP32_TILE_H

#include <stddef.h>
#include <stdint.h>

/// The types of elements in memory, numbered as the accelerator's program format does.
typedef enum {
    KAPOK_FP32 = 0,
    KAPOK_TF32 = 1,
    KAPOK_BF16 = 2,
    KAPOK_FP16 = 3,
    KAPOK_FP8_E4M3 = 4,
    KAPOK_FP8_E4M3FN = 5,
    KAPOK_FP8_E5M2 = 6,
    KAPOK_FP8_E3M4 = 7,
    KAPOK_INT32 = 8,
    KAPOK_UINT32 = 9,
    KAPOK_INT16 = 10,
    KAPOK_UINT16 = 11,
    KAPOK_INT8 = 12,
    KAPOK_UINT8 = 13,
} kapok_element_type;

/// Operations on two numbers, numbered as the accelerator's program format does. Comparisons give
/// 1 or 0. `MAX` and `MIN` are IEEE 754-2019 maximum and minimum: NaN if either is NaN, and
/// -0 < +0. `ABS_MAX` is the maximum of the absolute values.
typedef enum {
    KAPOK_BYPASS = 0,
    KAPOK_ADD = 1,
    KAPOK_SUBTRACT = 2,
    KAPOK_MULTIPLY = 3,
    KAPOK_DIVIDE = 4,
    KAPOK_MAX = 5,
    KAPOK_MIN = 6,
    KAPOK_POWER = 7,
    KAPOK_IS_EQUAL = 8,
    KAPOK_NOT_EQUAL = 9,
    KAPOK_GREATER_EQUAL = 10,
    KAPOK_GREATER = 11,
    KAPOK_LESS_EQUAL = 12,
    KAPOK_LESS = 13,
    KAPOK_ABS_MAX = 14,
} kapok_operation;

/// Functions of one number, numbered as the accelerator's program format does.
typedef enum {
    KAPOK_IDENTITY = 0,
    KAPOK_EXP = 1,
    KAPOK_LN = 2,
    KAPOK_SQRT = 3,
    KAPOK_RSQRT = 4,
    KAPOK_SQUARE = 5,
    KAPOK_RECIPROCAL = 6,
    KAPOK_SIGMOID = 7,
    KAPOK_SILU = 8,
    KAPOK_GELU = 9,
    KAPOK_TANH = 10,
    KAPOK_RELU = 11,
    KAPOK_SOFTPLUS = 12,
    KAPOK_SIN = 13,
    KAPOK_COS = 14,
    KAPOK_ABS = 15,
    KAPOK_ERF = 16,
} kapok_activation;

/// Which instructions a set of functions uses. All give the same bits.
typedef enum {
    /// Plain C: runs everywhere.
    KAPOK_FP32_PORTABLE = 0,
    /// AVX2 and FMA.
    KAPOK_FP32_AVX2 = 1,
    /// AVX-512 F, BW, DQ and VL.
    KAPOK_FP32_AVX512 = 2,
} kapok_fp32_implementation;

/// Whether this processor can run `implementation`.
int kapok_fp32_supports(kapok_fp32_implementation implementation);

/// The fastest implementation that this processor can run.
kapok_fp32_implementation kapok_fp32_chosen(void);

/// Functions over rows. Strides and steps count elements. A NaN that comes out of arithmetic is
/// always 7FC00000. Input and output of one call may be the same row, but must not overlap
/// otherwise.
typedef struct {
    /// `result[i]` = the value of `source[i * stride]`. Integers of 32 bits round to nearest even,
    /// TF32 drops its 13 unused bits by rounding.
    void (*_Nonnull decode)(
        kapok_element_type type, const void *_Nonnull source, ptrdiff_t stride,
        float *_Nonnull result, size_t count);
    /// `result[i * stride]` = `source[i]`, rounded to nearest even; integers saturate, NaN becomes
    /// the integer 0. A type without infinities turns what is too large into NaN.
    void (*_Nonnull encode)(
        kapok_element_type type, const float *_Nonnull source, void *_Nonnull result,
        ptrdiff_t stride, size_t count);
    /// As `encode`, but floating-point types narrower than FP32 round away from zero when the upper
    /// half of SplitMix64's output number `first + i` (from state `seed`) is less than the part
    /// that would be cut off, as a fraction of 2^32.
    void (*_Nonnull encode_stochastic)(
        kapok_element_type type, const float *_Nonnull source, void *_Nonnull result,
        ptrdiff_t stride, size_t count, uint64_t seed, uint64_t first);
    /// `result[i] = a[i * a_step] op b[i * b_step]`; a step is 0 or 1.
    void (*_Nonnull combine)(
        kapok_operation operation, const float *_Nonnull a, size_t a_step,
        const float *_Nonnull b, size_t b_step, float *_Nonnull result, size_t count);
    /// `result[i] = function(source[i])`.
    void (*_Nonnull activate)(
        kapok_activation function, const float *_Nonnull source, float *_Nonnull result,
        size_t count);
    /// Folds a row with `ADD`, `MULTIPLY`, `MAX`, `MIN` or `ABS_MAX`: lane l of 16 takes elements
    /// l, l + 16, l + 32 ... in order, from the operation's neutral element (+0, 1, -inf, +inf, 0);
    /// then lanes l and l + 8, l + 4, l + 2, l + 1 are combined.
    float (*_Nonnull reduce)(
        kapok_operation operation, const float *_Nonnull source, size_t count);
    /// Adds up `(source[i] - mean)^2` in the same order.
    float (*_Nonnull sum_of_squares)(const float *_Nonnull source, float mean, size_t count);
    /// `result[i] = (a[i] op0 result[i - 1]) op1 b[i]` with `result[-1] = initial`; a reversed
    /// operation takes its operands the other way round.
    void (*_Nonnull scan)(
        kapok_operation operation0, int is_reversed0, kapok_operation operation1, int is_reversed1,
        const float *_Nonnull a, const float *_Nonnull b, float initial, float *_Nonnull result,
        size_t count);
} kapok_fp32_rows;

/// The functions of an implementation that `kapok_fp32_supports`.
const kapok_fp32_rows *_Nonnull kapok_fp32_rows_of(kapok_fp32_implementation implementation);

#endif
