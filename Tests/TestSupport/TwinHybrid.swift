import Glibc
import Storage

/// What llama.cpp's converter does to a model in which most blocks have a delta rule (`_LinearAttentionVReorderBase` and what it
/// inherits from in `conversion/qwen.py`).
struct TwinHybrid {
    private let decoder: JSON

    init(_ decoder: JSON) { self.decoder = decoder }

    private func number(_ key: String) -> Int { decoder[key]?.int ?? 0 }

    private var depth: Int { number("num_hidden_layers") }

    func values(_ architecture: String) -> [GGUFBytes.Value] {
        let heads = number("linear_num_value_heads")
        let drafts = number("mtp_num_hidden_layers")
        let types = decoder["layer_types"]?.strings ?? []
        let rotated =
            Double(number("head_dim")) * (decoder["rope_parameters"]?["partial_rotary_factor"]?.double ?? 0)
        var numbers = [
            ("block_count", depth + drafts), ("nextn_predict_layers", drafts),
            ("ssm.conv_kernel", number("linear_conv_kernel_dim")),
            ("ssm.state_size", number("linear_key_head_dim")),
            ("ssm.group_count", number("linear_num_key_heads")), ("ssm.time_step_rank", heads),
            ("ssm.inner_size", heads * number("linear_value_head_dim")),
            ("full_attention_interval", number("full_attention_interval")),
            ("rope.dimension_count", Int(rotated)),
        ]
        if let shared = decoder["shared_expert_intermediate_size"]?.int {
            numbers.append(("expert_shared_feed_forward_length", shared))
        }
        let recurrent = types.map { $0 == "linear_attention" } + (0..<drafts).map { _ in false }
        return numbers.map { .init("\(architecture).\($0)", UInt32($1)) }
            + [.init("\(architecture).attention.recurrent_layers", recurrent)]
    }

    func renamed(_ published: String) -> String {
        var name = published
        let words = [
            ("mtp.fc", "blk.\(depth).nextn.eh_proj"), ("mtp.norm", "blk.\(depth).nextn.shared_head_norm"),
            ("post_attention_layernorm", "post_attention_norm"), ("linear_attn.in_proj_qkv", "attn_qkv"),
            ("linear_attn.in_proj_z", "attn_gate"), ("linear_attn.in_proj_a", "ssm_alpha"),
            ("linear_attn.in_proj_b", "ssm_beta"), ("linear_attn.conv1d", "ssm_conv1d"),
            ("linear_attn.A_log", "ssm_a"), ("linear_attn.dt_bias", "ssm_dt.bias"),
            ("linear_attn.norm", "ssm_norm"), ("linear_attn.out_proj", "ssm_out"),
            ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
            ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"),
            ("mlp.shared_expert.up_proj", "ffn_up_shexp"), ("mlp.shared_expert.down_proj", "ffn_down_shexp"),
        ]
        for (from, to) in words { name = name.replacing(from, with: to) }
        return name
    }

    /// What is stored of a tensor.
    func stored(_ name: String, _ matrix: TwinMatrix) -> TwinMatrix {
        let keyRows = 2 * number("linear_num_key_heads") * number("linear_key_head_dim")
        let width = number("linear_value_head_dim")
        switch name.split(separator: ".").drop(while: { $0 != "linear_attn" }).dropFirst().first {
        case "in_proj_qkv"?: return matrix.rows(at: tiled(after: keyRows, width))
        case "conv1d"?:
            return matrix.seen(as: [matrix.shape[0], matrix.shape[2]]).rows(at: tiled(after: keyRows, width))
        case "in_proj_z"?: return matrix.rows(at: tiled(width))
        case "in_proj_a"?, "in_proj_b"?, "dt_bias"?: return matrix.rows(at: tiled(1))
        case "A_log"?: return matrix.mapped { -Float(exp(Double($0))) }.rows(at: tiled(1))
        case "out_proj"?: return matrix.columns(at: tiled(width))
        case "norm"?: return matrix
        default:
            let isNorm = name.hasSuffix("norm.weight") && !name.contains("visual")
            return isNorm ? matrix.mapped { $0 + 1 } : matrix
        }
    }

    /// Where what is stored comes from: the first head of values of every head of keys, then the second of every one.
    private func tiled(after first: Int = 0, _ width: Int) -> [Int] {
        let keys = number("linear_num_key_heads")
        let members = number("linear_num_value_heads") / keys
        let heads = (0..<members).flatMap { member in (0..<keys).map { $0 * members + member } }
        return Array(0..<first) + heads.flatMap { first + $0 * width..<first + ($0 + 1) * width }
    }
}
