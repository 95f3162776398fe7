import Checkpoints
import Storage
import TestSupport
import Testing

/// What configurations say of how weights are quantized, and what of it there is no reader for.
@Suite struct QuantizationConfigTests {
    /// The title of the format that reads a checkpoint of one plain tensor so stated; nil for one of full precision.
    private func title(_ text: String, key: String = "quantization_config") throws -> String? {
        let directory = try TemporaryDirectory()
        let plain = TestTensor("model.norm.weight", "F32", [1], [0, 0, 0, 0])
        try writeSafetensors([plain], to: directory.file("model.safetensors"))
        return try StoredWeights(
            Checkpoint(directory.path), config: .pairs([key: JSON(parsing: Array(text.utf8))])
        ).quantization
    }

    private func expect(_ part: String, _ text: String) {
        let error = #expect(throws: Failure.self) { try title(text) }
        #expect(error?.kind == .badInput)
        #expect(error.map { "\($0)".contains(part) } == true, "\(text): \(error.map { "\($0)" } ?? "")")
    }

    private func packed(
        _ weights: String, format: String = "pack-quantized", inputs: String = "null", more: String = ""
    ) -> String {
        #"{"quant_method":"compressed-tensors","format":"\#(format)","config_groups":{"group_0":{"targets":["Linear"],"#
            + #""input_activations":\#(inputs),"weights":\#(weights)}}\#(more)}"#
    }

    /// As the configurations of published checkpoints have it.
    @Test(arguments: [
        (
            "GPTQ",
            #"""
            {"bits":4,"group_size":128,"damp_percent":0.01,"desc_act":false,"static_groups":false,"sym":true,
             "true_sequential":true,"model_name_or_path":null,"quant_method":"gptq"}
            """#
        ),
        ("GPTQ", #"{"bits":8,"group_size":-1,"desc_act":true,"format":"gptq_v2","quant_method":"gptq"}"#),
        ("GPTQ", #"{"bits":4,"group_size":128,"desc_act":false,"sym":true}"#),
        (
            "AWQ",
            #"{"bits":4,"group_size":128,"modules_to_not_convert":["visual"],"quant_method":"awq","version":"GEMM"}"#
        ),
        (
            "AWQ",
            #"{"quant_method":"gptq","method":"awq","format":"gemm","bits":4,"group_size":128,"sym":false}"#
        ),
        (
            "FP8",
            #"{"activation_scheme":"static","fmt":"e4m3","quant_method":"fp8","weight_block_size":[128,128]}"#
        ),
        ("bitsandbytes 4 bits", #"{"quant_method":"bitsandbytes","load_in_4bit":true}"#),
        ("bitsandbytes int8", #"{"quant_method":"bitsandbytes","load_in_8bit":true}"#),
        ("modelopt", #"{"quant_method":"modelopt","quant_algo":"W4A16_AWQ","ignore":["lm_head"]}"#),
        ("torchao", #"{"quant_method":"torchao"}"#),
        (
            "auto-round",
            #"{"quant_method":"auto-round","packing_format":"auto_round:auto_awq","bits":4,"group_size":128}"#
        ),
        (
            "auto-round",
            #"{"quant_method":"auto-round","packing_format":"auto_round:llm_compressor","data_type":"mx_fp","bits":4}"#
        ),
        (
            "auto-round",
            #"{"quant_method":"auto-round","packing_format":"auto_round:fp8","bits":8,"group_size":[128,128]}"#
        ),
        ("MLX", #"{"group_size":64,"bits":4,"mode":"affine"}"#),
    ])
    func whatIsPublished(title: String, text: String) throws {
        #expect(try self.title(text, key: title == "MLX" ? "quantization" : "quantization_config") == title)
    }

    @Test func whatCompressedTensorsPublishes() throws {
        let weights = #"{"num_bits":4,"group_size":128,"strategy":"group","symmetric":false,"type":"int"}"#
        let more = #","transform_config":{},"sparsity_config":{"format":"dense"},"kv_cache_scheme":null"#
        let float = #"{"num_bits":8,"type":"float","strategy":"channel","symmetric":true}"#
        let int = #"{"num_bits":8,"type":"int","strategy":"channel"}"#
        for (text, format, inputs) in [
            (weights, "pack-quantized", "null"), (float, "float-quantized", #"{"dynamic":true}"#),
            (int, "int-quantized", #"{"dynamic":false}"#),
        ] {
            #expect(
                try title(packed(text, format: format, inputs: inputs, more: more)) == "compressed-tensors")
        }
        #expect(
            try title(packed(float, format: "float-quantized"), key: "compression_config")
                == "compressed-tensors")
        #expect(try title("{}", key: "something") == nil)
    }

    @Test func whatThereIsNoReaderFor() {
        expect("quantization_config.quant_method: is missing", "{}")
        expect("quantization_config.quant_method: is missing", "[]")
        expect("quant_method: is 4, not a string", #"{"quant_method":4}"#)
        expect(
            "quant_method: is \"hqq\" (HQQ), which there is no reader for (supported: gptq, awq",
            #"{"quant_method":"hqq"}"#)
        expect("quant_method: is \"x\", which there is no reader for", #"{"quant_method":"x"}"#)
        for bits in ["1", "9", "16", "0", "-4"] {
            expect(
                "quantization_config.bits: is \(bits) (supported: 2 to 8 bits)",
                #"{"quant_method":"gptq","bits":\#(bits),"group_size":128}"#)
        }
        expect("bits: is \"4\", not a whole number", #"{"quant_method":"gptq","bits":"4","group_size":128}"#)
        for size in ["0", "-2", "99999999999"] {
            expect(
                "group_size: is \(size), neither a size nor -1",
                #"{"quant_method":"gptq","bits":4,"group_size":\#(size)}"#)
        }
        expect("group_size: is missing", #"{"quant_method":"awq","bits":4}"#)
        expect(
            "checkpoint_format: is \"marlin\"",
            #"{"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"marlin"}"#)
        expect("pack_dtype", #"{"quant_method":"gptq","bits":4,"group_size":128,"pack_dtype":"int64"}"#)
        expect(
            "is_marlin_format", #"{"quant_method":"gptq","bits":4,"group_size":128,"is_marlin_format":true}"#)
        expect("desc_act: is 1", #"{"quant_method":"gptq","bits":4,"group_size":128,"desc_act":1}"#)
        expect(
            "dynamic.+:a: is no object",
            #"{"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"+:a":1}}"#)
        expect("bits: is 8", #"{"quant_method":"awq","bits":8,"group_size":128}"#)
        expect("version: is \"gemv\"", #"{"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"}"#)
        expect("fmt: is \"e5m2\"", #"{"quant_method":"fp8","fmt":"e5m2"}"#)
        for size in ["[128]", "[0,128]", "128", "[128,1.5]"] {
            expect("not the sizes of a block", #"{"quant_method":"fp8","weight_block_size":\#(size)}"#)
        }
        expect("quant_algo: is \"W4A8\"", #"{"quant_method":"modelopt","quant_algo":"W4A8"}"#)
        expect(
            "packing_format: is \"auto_round:x\"",
            #"{"quant_method":"auto-round","packing_format":"auto_round:x","bits":4,"group_size":32}"#)
    }

    /// Tensors of a tool without the configuration that says what they mean.
    @Test(arguments: [("qweight", "GPTQ or AWQ"), ("W_q", "HQQ"), ("weight_packed", "compressed-tensors")])
    func whatNoConfigurationSays(suffix: String, tool: String) throws {
        let directory = try TemporaryDirectory()
        let tensor = TestTensor("model.layers.0.mlp.up_proj.\(suffix)", "U8", [1], [0])
        try writeSafetensors([tensor], to: directory.file("model.safetensors"))
        let error = #expect(throws: Failure.self) {
            try StoredWeights(Checkpoint(directory.path), config: .object([]))
        }
        #expect(error.map { "\($0)".contains("a model that \(tool) quantized") } == true)
    }

    @Test func whatMLXHasBeside() {
        func expect(_ part: String, _ text: String) {
            let error = #expect(throws: Failure.self) { try title(text, key: "quantization") }
            #expect(error.map { "\($0)".contains(part) } == true, "\(text): \(error.map { "\($0)" } ?? "")")
        }
        expect("quantization.mode: is \"odd\"", #"{"mode":"odd"}"#)
        expect("quantization.bits: is 7", #"{"bits":7,"group_size":64}"#)
        expect("quantization.bits: is 8", #"{"bits":8,"group_size":16,"mode":"nvfp4"}"#)
        expect("group_size: is 0", #"{"bits":4,"group_size":0}"#)
        expect("quantization.a.bits: is 9", #"{"bits":4,"group_size":64,"a":{"bits":9}}"#)
    }

    @Test func whatCompressedTensorsHasBeside() {
        let four = #"{"num_bits":4,"group_size":128,"strategy":"group","type":"int"}"#
        expect(
            "config_groups: is missing", #"{"quant_method":"compressed-tensors","format":"pack-quantized"}"#)
        expect("config_groups: is empty", #"{"quant_method":"compressed-tensors","config_groups":{}}"#)
        expect(
            "config_groups.group_0: is no object",
            #"{"quant_method":"compressed-tensors","config_groups":{"group_0":[]}}"#)
        expect("group_0.weights: is missing", packed("null"))
        expect("weights.num_bits: is 1 ", packed(#"{"num_bits":1,"group_size":128,"type":"int"}"#))
        expect("weights.strategy: is \"tensor\"", packed(#"{"num_bits":4,"strategy":"tensor","type":"int"}"#))
        expect("format: is \"marlin-24\"", packed(four, format: "marlin-24"))
        expect("format: is \"float-quantized\"", packed(four, format: "float-quantized"))
        expect("format: is \"pack-quantized\"", packed(#"{"num_bits":8,"type":"float"}"#))
        expect("transform_config", packed(four, more: #","transform_config":{"config_groups":{"a":1}}"#))
        expect("sparsity_config", packed(four, more: #","sparsity_config":{"format":"sparse-24-bitmask"}"#))
    }
}
