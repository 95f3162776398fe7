// What one thread of this processor can do at most: multiply-adds on registers, reading of memory. Benchmarks measure against it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

/// Multiplies and adds 8-bit integers by the densest instructions of `isa`, which must be available: unsigned by signed, into
/// sums of 16 bits where there is nothing wider at that speed. Returns how many multiply-adds were done in `rounds` rounds.
uint64_t tsr_integer_peak(tsr_isa isa, size_t rounds);

/// The same with floats of 32 bits.
uint64_t tsr_float_peak(tsr_isa isa, size_t rounds);

/// Reads `count` bytes, a multiple of 256, from an address that is a multiple of 64; returns a sum of them.
uint64_t tsr_read_peak(const void *bytes, size_t count);
