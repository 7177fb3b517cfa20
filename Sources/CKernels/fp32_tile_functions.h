// Elementary functions in FP64, for results that are rounded to FP32: included by fp32_tile_rows.h
// for each instruction set. They use additions, multiplications and divisions alone, in a fixed
// order, so that every processor and every C library gives the same bits. Relative errors are below
// 2^-42, so that results are off by less than 0.50001 of FP32's last place.

// The nearest whole number of |x| < 2^51: adding 1.5 * 2^52 leaves no bits for a fraction.
INLINE double NAME(whole)(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

INLINE uint64_t NAME(bits64)(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE double NAME(double_of)(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// 2^k for whole |k| <= 1022: the whole number stands in the lowest bits of k + 1.5 * 2^52.
INLINE double NAME(power_of_two)(double k) {
    return NAME(double_of)((NAME(bits64)(k + 0x1.8p52) + 1023) << 52);
}

// e^r - 1 = r + r^2 / 2! + r^3 / 3! + ... for |r| <= ln(2) / 2.
INLINE double NAME(exp_series)(double r) {
    double sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 1.0 / 2;
    return r + r * r * sum;
}

// ln(2) in two parts; the first has trailing zeros, so that its products with small whole numbers
// are exact.
#define LN2_HIGH 0x1.62e42fefa3800p-1
#define LN2_LOW 0x1.ef35793c76730p-45

// x in the range in which results are neither 0 nor infinite in FP64 (but are in FP32); NaN passes.
INLINE double NAME(limited)(double x) { return x > 700 ? 700 : x < -700 ? -700 : x; }

INLINE double NAME(exponential)(double argument) {
    const double x = NAME(limited)(argument);
    const double k = NAME(whole)(x * 0x1.71547652b82fep0);
    const double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    return NAME(power_of_two)(k) * (1 + NAME(exp_series)(r));
}

// e^x - 1, precise near 0.
INLINE double NAME(exponential_less_1)(double argument) {
    const double x = NAME(limited)(argument);
    const double k = NAME(whole)(x * 0x1.71547652b82fep0);
    const double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    const double power = NAME(power_of_two)(k);
    return power * NAME(exp_series)(r) + (power - 1);
}

// ln((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 + ...) for |s| <= 1 / 3.
INLINE double NAME(log_series)(double s) {
    const double q = s * s;
    double sum = 1.0 / 27;
    sum = sum * q + 1.0 / 25;
    sum = sum * q + 1.0 / 23;
    sum = sum * q + 1.0 / 21;
    sum = sum * q + 1.0 / 19;
    sum = sum * q + 1.0 / 17;
    sum = sum * q + 1.0 / 15;
    sum = sum * q + 1.0 / 13;
    sum = sum * q + 1.0 / 11;
    sum = sum * q + 1.0 / 9;
    sum = sum * q + 1.0 / 7;
    sum = sum * q + 1.0 / 5;
    sum = sum * q + 1.0 / 3;
    return 2 * s + 2 * s * q * sum;
}

// The natural logarithm of a number that FP32 can hold.
INLINE double NAME(logarithm)(double x) {
    // x = m * 2^k with m from sqrt(1/2) to sqrt(2): the exponent that counts from there on.
    const uint64_t bits = NAME(bits64)(x) - 0x3FE6A09E667F3BCD;
    const double k = NAME(double_of)(0x4338000000000000 + (uint64_t)((int64_t)bits >> 52)) -
                     0x1.8p52;
    const double m = NAME(double_of)((bits & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD);
    const double finite =
        k * LN2_HIGH + (NAME(log_series)((m - 1) / (m + 1)) + k * LN2_LOW);
    const double special = x == 0 ? -INFINITY : x > 0 ? x : NAN;
    return x > 0 && x < INFINITY ? finite : special;
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|).
INLINE double NAME(softplus)(double x) {
    const double e = NAME(exponential)(x > 0 ? -x : x);
    return (x > 0 ? x : 0) + NAME(log_series)(e / (2 + e));
}

INLINE double NAME(hyperbolic_tangent)(double x) {
    const double e = NAME(exponential_less_1)(2 * (x < 0 ? -x : x));
    const double magnitude = e / (e + 2);
    return x < 0 ? -magnitude : x == 0 ? x : magnitude;
}

// x / (1 + e^-x). Below -1000 the result is nearer to 0 than any FP32 number.
INLINE double NAME(sigmoid_product)(double x) {
    return x < -1000 ? -0.0 : x / (1 + NAME(exponential)(-x));
}

// 1 - erf(z) for z >= 0, beyond 14 as there: e^(-z^2) times a polynomial in 1 / (1 + 0.4 z), which
// interpolates e^(z^2) erfc(z) at Chebyshev points (found with 120 digits; error 7e-14).
INLINE double NAME(error_complement)(double argument) {
    const double z = argument > 14 ? 14 : argument;
    const double u = 1 / (1 + 0.4 * z) - 0.575;
    double sum = -0x1.224934eaa3ac2p-7;
    sum = sum * u + 0x1.cc6948c7e5062p-8;
    sum = sum * u + 0x1.c99af1914fbc1p-7;
    sum = sum * u - 0x1.46e385ec41c2fp-6;
    sum = sum * u - 0x1.15f485f14c95cp-7;
    sum = sum * u + 0x1.1de2e2f3833b5p-5;
    sum = sum * u - 0x1.aa620fa8c5ad9p-8;
    sum = sum * u - 0x1.b7493d424c317p-5;
    sum = sum * u + 0x1.fd8d36fcd8b8ap-6;
    sum = sum * u + 0x1.78e7e1e3029fcp-4;
    sum = sum * u - 0x1.0d7324d87374bp-4;
    sum = sum * u - 0x1.bbcab6ba67701p-3;
    sum = sum * u + 0x1.484b77c2fa4d2p-5;
    sum = sum * u + 0x1.57815320c6c81p-1;
    sum = sum * u + 0x1.3291e9330e882p+0;
    sum = sum * u + 0x1.41012acdf8a8ap+0;
    sum = sum * u + 0x1.d3301c623d5e5p-1;
    sum = sum * u + 0x1.17378fe5913fcp-2;
    return NAME(exponential)(-z * z) * sum;
}

// 2 / sqrt(pi) (x - x^3 / (1! 3) + x^5 / (2! 5) - ...) for |x| <= 1.
INLINE double NAME(error_series)(double x) {
    const double q = -x * x;
    double sum = 1.0 / (1307674368000 * 31);
    sum = sum * q + 1.0 / (87178291200 * 29);
    sum = sum * q + 1.0 / (6227020800 * 27);
    sum = sum * q + 1.0 / (479001600.0 * 25);
    sum = sum * q + 1.0 / (39916800.0 * 23);
    sum = sum * q + 1.0 / (3628800.0 * 21);
    sum = sum * q + 1.0 / (362880.0 * 19);
    sum = sum * q + 1.0 / (40320.0 * 17);
    sum = sum * q + 1.0 / (5040.0 * 15);
    sum = sum * q + 1.0 / (720.0 * 13);
    sum = sum * q + 1.0 / (120.0 * 11);
    sum = sum * q + 1.0 / (24.0 * 9);
    sum = sum * q + 1.0 / (6.0 * 7);
    sum = sum * q + 1.0 / (2.0 * 5);
    sum = sum * q + 1.0 / 3;
    sum = sum * q + 1;
    return 0x1.20dd750429b6dp0 * x * sum;
}

INLINE double NAME(error_function)(double x) {
    const double magnitude = x < 0 ? -x : x;
    const double far = 1 - NAME(error_complement)(magnitude);
    const double near = NAME(error_series)(magnitude < 1 ? x : 1);
    return magnitude < 1 ? near : x < 0 ? -far : x > 0 ? far : x;
}

// x Phi(x) = x erfc(-x / sqrt(2)) / 2. Below -1000 the result is nearer to 0 than any FP32 number.
INLINE double NAME(gaussian_product)(double x) {
    const double z = x * 0x1.6a09e667f3bcdp-1, magnitude = z < 0 ? -z : z;
    const double complement = NAME(error_complement)(magnitude);
    const double far = z > 0 ? 2 - complement : complement;
    const double near = 1 + NAME(error_series)(magnitude < 1 ? z : 1);
    return x < -1000 ? -0.0 : x * (0.5 * (magnitude < 1 ? near : far));
}

// IEEE 754's pow: an even or odd whole y lets x be negative.
INLINE double NAME(power)(double x, double y) {
    const double magnitude = x < 0 ? -x : x;
    const double size = y < 0 ? -y : y;
    // FP32 numbers of 2^24 and more are even.
    const int is_whole = size >= 0x1p24 || NAME(whole)(size) == size;
    const int is_odd = size < 0x1p24 && is_whole && NAME(whole)(size / 2) * 2 != size;
    const double product = y * NAME(logarithm)(magnitude);
    const double unsigned_result =
        product == INFINITY ? INFINITY : product == -INFINITY ? 0 : NAME(exponential)(product);
    const int is_negative = (int)(NAME(bits64)(x) >> 63);
    const double result = is_negative && is_odd ? -unsigned_result : unsigned_result;
    const int is_impossible = x < 0 && magnitude < INFINITY && !is_whole;
    const int is_one = y == 0 || x == 1 || (magnitude == 1 && size == INFINITY);
    return is_one ? 1 : is_impossible ? NAN : result;
}

// The first bits of 2 / pi after the point.
static const uint64_t NAME(two_by_pi)[4] = {
    0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561};

// Takes away the nearest multiple of pi / 2, exactly for any finite FP32 number (Payne and Hanek,
// 1983); `quadrant` is that multiple modulo 4.
INLINE double NAME(reduced)(float value, int *quadrant) {
    const uint32_t bits = BITS(value), magnitude = bits & 0x7FFFFFFF;
    *quadrant = 0;
    // Below pi / 4.
    if (magnitude < 0x3F490FDB) return value;
    // value = m * 2^e, and m * (2^e * 2 / pi modulo 4), with 126 bits after the point: the window
    // of 128 bits that begins with the bits of weight 2 and 1.
    const unsigned __int128 m = (magnitude & 0x7FFFFF) | 0x800000;
    const int first = (int)(magnitude >> 23) - 150 - 2;
    const uint64_t *const words = NAME(two_by_pi);
    unsigned __int128 window = 0;
    for (int i = 0; i < 4; i++) {
        // Word i's lowest bit has weight 2^(-64 (i + 1)), in the window 2^(first + 2 + 126) more.
        const int shift = first + 2 + 126 - 64 * (i + 1);
        const unsigned __int128 word = words[i];
        if (shift >= 128 || shift <= -64) continue;
        window += shift >= 0 ? word << shift : word >> -shift;
    }
    const unsigned __int128 turns = m * window;
    const unsigned __int128 nearest = turns + ((unsigned __int128)1 << 125);
    *quadrant = (int)(nearest >> 126);
    const __int128 rest = (__int128)(turns - (nearest >> 126 << 126));
    const double angle = (double)rest * 0x1p-126 * 0x1.921fb54442d18p0;
    if (bits >> 31 == 0) return angle;
    *quadrant = -*quadrant & 3;
    return -angle;
}

// r - r^3 / 3! + r^5 / 5! - ... for |r| <= pi / 4.
INLINE double NAME(sine_series)(double r) {
    const double q = -r * r;
    double sum = 1.0 / 1307674368000;
    sum = sum * q + 1.0 / 6227020800;
    sum = sum * q + 1.0 / 39916800;
    sum = sum * q + 1.0 / 362880;
    sum = sum * q + 1.0 / 5040;
    sum = sum * q + 1.0 / 120;
    sum = sum * q + 1.0 / 6;
    return r + r * q * sum;
}

// 1 - r^2 / 2! + r^4 / 4! - ...
INLINE double NAME(cosine_series)(double r) {
    const double q = -r * r;
    double sum = 1.0 / 20922789888000;
    sum = sum * q + 1.0 / 87178291200;
    sum = sum * q + 1.0 / 479001600;
    sum = sum * q + 1.0 / 3628800;
    sum = sum * q + 1.0 / 40320;
    sum = sum * q + 1.0 / 720;
    sum = sum * q + 1.0 / 24;
    sum = sum * q + 1.0 / 2;
    return 1 + q * sum;
}

// sin(value) or, a quarter turn on, cos(value).
INLINE float NAME(sine)(float value, int turn) {
    if ((BITS(value) & 0x7FFFFFFF) >= 0x7F800000) return FLOAT(0x7FC00000);
    int quadrant;
    const double r = NAME(reduced)(value, &quadrant);
    const int place = (quadrant + turn) & 3;
    // The series would lose the sign of -0.
    if (place == 0 && r == 0) return value;
    const double result = place & 1 ? NAME(cosine_series)(r) : NAME(sine_series)(r);
    return (float)(place & 2 ? -result : result);
}

#undef LN2_HIGH
#undef LN2_LOW
