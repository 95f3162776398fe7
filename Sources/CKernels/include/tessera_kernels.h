// The kernels: what the runtime and the quantizers call. No model, no file, no allocation.
#pragma once

#include "blocks.h"
#include "coded_attention.h"
#include "codes.h"
#include "columns.h"
#include "fit.h"
#include "floats.h"
#include "isa.h"
#include "logits.h"
#include "packed.h"
#include "peaks.h"
#include "pool.h"
#include "recurrence.h"
#include "solve.h"
