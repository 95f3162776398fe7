#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#define LOGITS(name) name##_avx512
#include "logits_body.h"
#pragma clang attribute pop
#endif
