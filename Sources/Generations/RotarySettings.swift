import Storage

/// The decoder's rotary positions: where their settings stand differs between releases.
struct RotarySettings {
    let theta: Double
    let sections: [Int]
    /// Whether the axes of positions take turns over the frequencies.
    let isInterleaved: Bool
    /// The part of a head that is rotated.
    let fraction: Double

    /// Reads `rope_parameters` (transformers 5) or `rope_scaling`, with the base in either or beside them.
    /// - Parameters:
    ///   - config: the object that holds the decoder's settings.
    ///   - root: the whole of config.json.
    ///   - rotatesPart: whether a part of a head alone may be rotated.
    /// - Throws: `badInput` for a scaling that is not supported, whatever key names it, and for a base in a place where
    ///   the reference does not read it.
    init(
        _ config: SettingsReader, in root: SettingsReader, rotatesPart: Bool = false
    ) throws(Failure) {
        guard let rope = config.object("rope_parameters") ?? config.object("rope_scaling") else {
            throw config.missing("rope_scaling")
        }
        // Either key may name it, and they may disagree: "yarn" beside "default" is YaRN to the releases that wrote it.
        for key in ["rope_type", "type"] {
            guard let kind = rope[key] else { continue }
            guard kind == "default" || kind == "mrope" else {
                throw .badInput(
                    "'\(rope.path)\(key)' is \(kind.serialized()), a scaling that is not supported",
                    file: config.file)
            }
        }
        theta = try RotarySettings.theta(rope, config, root)
        sections = try rope.ints("mrope_section")
        isInterleaved = try rope.bool("mrope_interleaved") ?? false
        let holder = rope.stated("partial_rotary_factor") == nil ? config : rope
        fraction = rotatesPart ? try holder.real("partial_rotary_factor") : 1
    }

    private static func theta(
        _ rope: SettingsReader, _ config: SettingsReader, _ root: SettingsReader
    ) throws(Failure) -> Double {
        guard rope.stated("rope_theta") != nil else {
            let theta = try config.real("rope_theta")
            if config.stated("rope_theta") == nil, let other = root.stated("rope_theta"),
                other.double != theta
            {
                throw .badInput(
                    "'rope_theta' is \(other.serialized()), but stands outside 'text_config', where the reference does "
                        + "not read it and takes \(theta)", file: root.file,
                    remedy: "write the base that the model was trained with into 'text_config'")
            }
            return theta
        }
        let theta = try rope.real("rope_theta")
        if config.stated("rope_theta") != nil, try config.real("rope_theta") != theta {
            throw .badInput(
                "'\(rope.path)rope_theta' and '\(config.path)rope_theta' disagree", file: config.file)
        }
        return theta
    }
}
