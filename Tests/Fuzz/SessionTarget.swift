import Prompts
import Storage

@testable import Tessera

extension FuzzTarget {
    /// What a saved session says beside keys and values: what is accepted reads back the same, and every picture has its place.
    static let session = FuzzTarget(
        name: "session", maximumLength: 4096,
        words: [
            "cache_type", "cached", "prompt_length", "said", "visuals", "messages", "parts", "timestamps",
            "\"type\":",
            "\"image\"", "\"video\"", "seconds_per_frame", "given_seed", "draws", "18446744073709551615",
        ],
        seeds: {
            let visual = #"{"medium":"image","grid":[1,1,2],"seconds_per_frame":1.0,"timestamps":[]}"#
            let parts = #"[{"type":"image"},{"type":"text","text":"What?"}]"#
            let sampler =
                #"{"temperature":0.5,"top_k":4,"top_p":1.0,"min_p":0.0,"repetition_penalty":1.0,"seed":"7","draws":"8"}"#
            return [
                Array(
                    (#"{"cache_type":"f16","cached":4,"prompt_length":4,"turn":1,"said":[1,9,9,2,3],"visuals":[\#(visual)],"#
                        + #""messages":[{"role":"user","parts":\#(parts)},{"role":"assistant","parts":"#
                        + #"[{"type":"said","text":"x","tokens":[3]}]}],"tools":[{}],"variables":{"enable_thinking":true},"sampler":\#(sampler)}"#)
                        .utf8),
                Array(
                    #"{"cache_type":"f32","cached":0,"prompt_length":0,"turn":0,"said":[],"visuals":[],"messages":null,"variables":{}}"#
                        .utf8),
            ]
        },
        read: { bytes in
            let settings = try tinyPrompt()
            let saved = try SavedSession(json: parsed(bytes), settings, vocabulary: 32)
            let again = try SavedSession(
                json: parsed(Array(saved.json.serialized().utf8)), settings, vocabulary: 32)
            require(again.json == saved.json, "the session reads back otherwise")
            require(saved.state.said.count >= saved.cached, "more is cached than was said")
        })
}
