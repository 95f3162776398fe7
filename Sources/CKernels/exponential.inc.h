// For whoever defines `wide`, a vector of floats, `wide_int`, one of as many int32_t, and INLINE.

// e^x: relative error below 2e-7, zero below FLT_MIN, infinite beyond FLT_MAX, NaN of any NaN. With n = round(x/ln 2) and
// r = x - n·ln 2, e^x = 2^n·e^r; the polynomial is e^r's minimax on |r| ≤ ln(2)/2, error 3e-9.
INLINE wide exponential(wide x) {
    const float magic = 0x1.8p23f;  // added and taken away, it rounds to an integer, left in the low bits
    const wide shifted = x * 0x1.715476p0f + magic;
    const wide n = shifted - magic;
    wide r = x - n * 0x1.62e400p-1f;  // ln 2, its first 15 bits: n times that is exact
    r = r - n * 0x1.7f7d1cp-20f;
    wide p = r * 0x1.6a23e4p-10f + 0x1.123a20p-7f;
    p = p * r + 0x1.5558f2p-5f;
    p = p * r + 0x1.555492p-3f;
    p = p * r + 0x1.fffffcp-2f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const wide_int scaled = (wide_int)p + ((wide_int)shifted << 23);
    const wide result = x < -0x1.5d589ep6f ? (wide)0 : (wide)scaled;
    return x <= 0x1.62e42ep6f ? result : x * __builtin_inff();
}
