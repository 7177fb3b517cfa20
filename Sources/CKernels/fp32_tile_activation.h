// Functions of one number: `activate`, included by fp32_tile_rows.h for each instruction set.

#define LOOP(EXPRESSION)                                                                           \
    {                                                                                              \
        EACH { const float x = source[i]; result[i] = CANONICAL(EXPRESSION); }                     \
        return;                                                                                    \
    }
#define WIDE_LOOP(EXPRESSION)                                                                      \
    {                                                                                              \
        EACH {                                                                                     \
            const double x = source[i];                                                            \
            result[i] = CANONICAL((float)(EXPRESSION));                                            \
        }                                                                                          \
        return;                                                                                    \
    }

static void NAME(activate)(
    kapok_activation function, const float *source, float *result, size_t count) {
    switch (function) {
    case KAPOK_IDENTITY: LOOP(x)
    case KAPOK_EXP: WIDE_LOOP(NAME(exponential)(x))
    case KAPOK_LN: WIDE_LOOP(NAME(logarithm)(x))
    case KAPOK_SQRT: LOOP(__builtin_elementwise_sqrt(x))
    case KAPOK_RSQRT: WIDE_LOOP(1 / __builtin_elementwise_sqrt(x))
    case KAPOK_SQUARE: LOOP(x * x)
    case KAPOK_RECIPROCAL: LOOP(1 / x)
    case KAPOK_SIGMOID: WIDE_LOOP(1 / (1 + NAME(exponential)(-x)))
    case KAPOK_SILU: WIDE_LOOP(NAME(sigmoid_product)(x))
    case KAPOK_GELU: WIDE_LOOP(NAME(gaussian_product)(x))
    case KAPOK_TANH: WIDE_LOOP(NAME(hyperbolic_tangent)(x))
    case KAPOK_RELU: LOOP(x > 0 ? x : x == x ? 0 : x)
    case KAPOK_SOFTPLUS: WIDE_LOOP(NAME(softplus)(x))
    case KAPOK_SIN:
        ONE_BY_ONE result[i] = NAME(sine)(source[i], 0);
        return;
    case KAPOK_COS:
        ONE_BY_ONE result[i] = NAME(sine)(source[i], 1);
        return;
    case KAPOK_ABS: LOOP(FLOAT(BITS(x) & 0x7FFFFFFF))
    case KAPOK_ERF: WIDE_LOOP(NAME(error_function)(x))
    }
}

#undef LOOP
#undef WIDE_LOOP
#undef EACH
#undef ONE_BY_ONE
#undef CANONICAL
#undef BITS
#undef FLOAT
