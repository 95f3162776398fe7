import Generations
import Storage
import TestSupport
import Testing

/// The base of rotary positions is never guessed, and a scaling that is not supported never passed over.
@Suite struct RotarySettingsTests {
    /// Whichever key names it: "yarn" beside "default" is YaRN to the releases that wrote it.
    @Test(arguments: [
        JSON.pairs(["type": "yarn", "rope_type": "default", "factor": 4]),
        .pairs(["type": "default", "rope_type": "yarn", "factor": 4]),
        .pairs(["rope_type": "dynamic"]), .pairs(["type": "linear"]), .pairs(["type": "mrope", "factor": 2]),
        .pairs(["rope_type": 3]),
    ])
    func aScalingThatIsNotSupportedIsRefused(_ scaling: JSON) throws {
        let copy = try EditedCheckpoint("qwen2.5-vl/published")
        try copy.set("config.json", ["rope_scaling"], to: scaling.setting("mrope_section", to: [2, 3, 3]))
        let failure = #expect(throws: Failure.self) { try Converter.qwen25VL.read(copy.path) }
        #expect(failure?.description.contains("rope_scaling.") == true)
    }

    /// Qwen2.5-VL's class has one base in all releases, which is taken with a warning; Qwen3-VL's has two.
    @Test func aBaseThatIsLeftOutIsTheClassesOrRefused() throws {
        let second = try EditedCheckpoint("qwen2.5-vl/published")
        try second.set("config.json", ["rope_theta"], to: nil)
        #expect(
            try Converter.qwen25VL.read(second.path).warnings.contains {
                $0.contains("'rope_theta' is left out")
            })
        let third = try EditedCheckpoint("qwen3-vl/published")
        try third.set("config.json", ["text_config", "rope_theta"], to: nil)
        let failure = #expect(throws: Failure.self) { try Converter.qwen3VL.read(third.path) }
        #expect(failure?.description.contains("lacks 'text_config.rope_theta'") == true)
    }

    /// Outside `text_config`, where that is there, the reference does not read it.
    @Test func aBaseInAnotherPlaceIsNotPassedOver() throws {
        let copy = try EditedCheckpoint("qwen2.5-vl/published", overlays: "resaves/qwen2.5-vl/4.57.6")
        try copy.set("config.json", ["text_config", "rope_theta"], to: nil)
        try copy.set("config.json", ["rope_theta"], to: .double(5e5))
        let failure = #expect(throws: Failure.self) { try Converter.qwen25VL.read(copy.path) }
        #expect(failure?.description.contains("outside 'text_config'") == true)
    }

    /// Where it stands twice, once must agree with the other.
    @Test func basesThatDisagreeAreRefused() throws {
        let copy = try EditedCheckpoint("qwen2.5-vl/published")
        try copy.set("config.json", ["rope_scaling", "rope_theta"], to: .double(5e5))
        #expect(throws: Failure.self) { try Converter.qwen25VL.read(copy.path) }
        try copy.set("config.json", ["rope_scaling", "rope_theta"], to: .double(1e6))
        _ = try Converter.qwen25VL.read(copy.path)
    }
}
