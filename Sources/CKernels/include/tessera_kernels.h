// The kernels: what the runtime and the quantizers call. No model, no file, no allocation.
#pragma once

#include "isa.h"
#include "packed.h"
