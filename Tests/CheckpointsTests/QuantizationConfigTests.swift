import Checkpoints
import GroupFormats
import Storage
import Testing

@Suite struct QuantizationConfigTests {
    private typealias Codes = QuantizationConfig.Codes

    private func scheme(_ text: String) throws -> QuantizationConfig.Scheme {
        try QuantizationConfig(JSON(parsing: Array(text.utf8))).scheme
    }

    private func expect(_ part: String, _ text: String) {
        let error = #expect(throws: Failure.self) { try scheme(text) }
        #expect(error?.kind == .badInput)
        #expect(error.map { "\($0)".contains(part) } == true, "\(text): \(error.map { "\($0)" } ?? "")")
    }

    private func packed(
        _ weights: String, format: String = "pack-quantized", inputs: String = "null", more: String = ""
    ) -> String {
        #"{"quant_method":"compressed-tensors","format":"\#(format)","config_groups":{"group_0":{"targets":["Linear"],"#
            + #""input_activations":\#(inputs),"weights":\#(weights)}}\#(more)}"#
    }

    @Test func whatIsPublished() throws {
        // As the configurations of published checkpoints have it.
        #expect(
            try scheme(
                #"""
                {"bits":4,"group_size":128,"damp_percent":0.01,"desc_act":false,"static_groups":false,"sym":true,
                 "true_sequential":true,"model_name_or_path":null,"quant_method":"gptq"}
                """#) == .gptq(Codes(.four, .columns(128)), zerosLessOne: true, reordered: false))
        #expect(
            try scheme(
                #"{"bits":8,"group_size":-1,"desc_act":true,"format":"gptq_v2","quant_method":"gptq"}"#)
                == .gptq(Codes(.eight, .wholeRow), zerosLessOne: false, reordered: true))
        #expect(
            try scheme(
                #"""
                {"bits":4,"group_size":128,"modules_to_not_convert":["visual"],"quant_method":"awq","version":"GEMM",
                 "zero_point":true}
                """#) == .awq(groupSize: .columns(128)))
        #expect(
            try scheme(
                #"""
                {"activation_scheme":"dynamic","fmt":"e4m3","quant_method":"fp8","weight_block_size":[128,128],
                 "modules_to_not_convert":["model.visual.blocks.0.attn.qkv"]}
                """#) == .float8(.blocks(rows: 128, columns: 128), suffix: "weight_scale_inv"))
    }

    @Test func whatCompressedTensorsPublishes() throws {
        let weights = #"{"num_bits":4,"group_size":128,"strategy":"group","symmetric":false,"type":"int"}"#
        #expect(
            try scheme(
                packed(
                    weights,
                    more:
                        #","transform_config":{},"sparsity_config":{"format":"dense"},"kv_cache_scheme":null"#
                ))
                == .packed(Codes(.four, .columns(128)), symmetric: false))
        let dynamic = #"{"dynamic":true}"#
        let float = #"{"num_bits":8,"type":"float","strategy":"channel","symmetric":true}"#
        #expect(
            try scheme(packed(float, format: "float-quantized", inputs: dynamic))
                == .float8(.rows, suffix: "weight_scale"))
        let int = #"{"num_bits":8,"type":"int","strategy":"channel"}"#
        #expect(
            try scheme(packed(int, format: "int-quantized", inputs: dynamic))
                == .bytes(.wholeRow, symmetric: true))
    }

    @Test func whatThereIsNoReaderFor() {
        expect("quantization_config.quant_method: is missing", "{}")
        expect("quantization_config.quant_method: is missing", "[]")
        expect("quant_method: is 4, not a string", #"{"quant_method":4}"#)
        expect("quant_method: is \"bitsandbytes\" (supported: gptq, awq", #"{"quant_method":"bitsandbytes"}"#)
        for bits in ["3", "2", "16", "0", "-4"] {
            expect(
                "quantization_config.bits: is \(bits) (supported: 4 and 8 bits)",
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
        expect("bits: is 8", #"{"quant_method":"awq","bits":8,"group_size":128}"#)
        expect("version: is \"gemv\"", #"{"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"}"#)
        expect("fmt: is \"e5m2\"", #"{"quant_method":"fp8","fmt":"e5m2"}"#)
        expect("activation_scheme: is \"static\"", #"{"quant_method":"fp8","activation_scheme":"static"}"#)
        for size in ["[128]", "[0,128]", "128", "[128,1.5]"] {
            expect("not the sizes of a block", #"{"quant_method":"fp8","weight_block_size":\#(size)}"#)
        }
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
        expect("weights.num_bits: is 3", packed(#"{"num_bits":3,"group_size":128,"type":"int"}"#))
        expect("weights.strategy: is \"tensor\"", packed(#"{"num_bits":4,"strategy":"tensor","type":"int"}"#))
        expect("format: is \"nvfp4-pack-quantized\"", packed(four, format: "nvfp4-pack-quantized"))
        expect("format: is \"float-quantized\"", packed(four, format: "float-quantized"))
        expect("format: is \"pack-quantized\"", packed(#"{"num_bits":8,"type":"float"}"#))
        expect("input_activations.dynamic", packed(four, inputs: #"{"dynamic":false}"#))
        expect("transform_config", packed(four, more: #","transform_config":{"config_groups":{"a":1}}"#))
        expect("sparsity_config", packed(four, more: #","sparsity_config":{"format":"sparse-24-bitmask"}"#))
        let two = packed(four).dropLast(2) + #","group_1":{"weights":{"num_bits":8,"type":"int"}}}}"#
        expect("config_groups: differ from each other", String(two))
    }
}
