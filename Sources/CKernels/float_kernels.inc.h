// The float kernels, for the instruction set that the including file sets up: TABLE (the name of its table),
// LANES and NARROW (see float_vector.inc.h), BLOCK_ROWS and BLOCK_VECS (the accumulators that its registers
// hold), HAS_F16_CONVERSION.
#include "float_vector.inc.h"

#include "float_product.inc.h"

#include "row_mixing.inc.h"

#include "attention.inc.h"

#include "float_conversion.inc.h"

#include "float_elementwise.inc.h"

#include "recurrence.inc.h"

const tsr_float_kernels TABLE = {
    .to_f32 = to_f32,
    .f32_to_f16 = f32_to_f16,
    .code_row = code_row,
    .mix_row = mix_row,
    .first_nonfinite = first_nonfinite,
    .float_product = float_product,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .activate = activate,
    .gated_product = gated_product,
    .add = add,
    .gate_rows = gate_rows,
    .rotary = rotary,
    .attention_queries = attention_queries,
    .attend = attend,
    .attend_rows = attend_rows,
    .causal_convolution = causal_convolution,
    .unit_heads = unit_heads,
    .delta_gates = delta_gates,
    .delta_rule = delta_rule,
};
