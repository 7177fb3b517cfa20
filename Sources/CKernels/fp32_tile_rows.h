// The functions of `kapok_fp32_rows`, included by fp32_tile.c once for each instruction set, under
// names of its own.

#include "fp32_tile_conversion.h"
#include "fp32_tile_functions.h"
#include "fp32_tile_arithmetic.h"
#include "fp32_tile_activation.h"

static const kapok_fp32_rows NAME(rows) = {
    .decode = NAME(decode),
    .encode = NAME(encode),
    .encode_stochastic = NAME(encode_stochastic),
    .combine = NAME(combine),
    .activate = NAME(activate),
    .reduce = NAME(reduce),
    .sum_of_squares = NAME(sum_of_squares),
    .scan = NAME(scan),
};
