public import Storage

extension ImagePreprocessor {
    /// The settings as they are stored in a bundle.
    public var json: JSON {
        let settings = JSON.pairs([
            "patch_size": .int(patchSize),
            "temporal_patch_size": .int(temporalPatchSize),
            "merge_size": .int(mergeSize),
            "min_pixels": .int(minimumPixels),
            "max_pixels": .int(maximumPixels),
            "mean": .array(mean.map(JSON.double)),
            "std": .array(standardDeviation.map(JSON.double)),
            "resampling": .string(resampling.rawValue),
        ])
        guard let fixedSide else { return settings }
        return settings.setting("side", to: .int(fixedSide)).setting("tokens", to: .int(fixedTokens ?? 0))
            .setting("reading", to: .string(reading.rawValue))
    }

    /// Reads settings back.
    ///
    /// - Throws: `badInput` naming the setting that is missing or out of range.
    public init(json: JSON) throws(Failure) {
        patchSize = try json.setting("patch_size")
        temporalPatchSize = try json.setting("temporal_patch_size")
        mergeSize = try json.setting("merge_size")
        minimumPixels = try json.setting("min_pixels")
        maximumPixels = try json.setting("max_pixels")
        mean = try json.channels("mean")
        standardDeviation = try json.channels("std")
        guard let kind = json["resampling"]?.string.flatMap(Resampling.init(rawValue:)) else {
            throw .badInput("has no known \"resampling\"")
        }
        resampling = kind
        if json["side"] != nil {
            fixedSide = try json.setting("side")
            fixedTokens = try json.setting("tokens")
            guard let kind = json["reading"]?.string.flatMap(Reading.init(rawValue:)) else {
                throw .badInput("has no known \"reading\"")
            }
            reading = kind
        }
        try check()
    }

    /// Reads a checkpoint's `processor_config.json` (the image processor in it) or `preprocessor_config.json`. What a
    /// file does not state is as in Qwen2-VL's; with neither file, so is everything.
    ///
    /// - Throws: `badInput` naming the file and the setting that is out of range.
    public init(checkpoint directory: String) throws(Failure) {
        self.init()
        for (name, key) in [("processor_config.json", "image_processor"), ("preprocessor_config.json", nil)] {
            let file = Path.join(directory, name)
            guard Path.exists(file) else { continue }
            let json = try JSON(file: file)
            guard let settings = key.map({ json[$0] }) ?? json else { continue }
            do { try read(settings) } catch { throw error.located(in: file) }
            return
        }
    }

    /// Takes what a published file states.
    mutating func read(_ json: JSON) throws(Failure) {
        if json["patch_size"] != nil { patchSize = try json.setting("patch_size") }
        if json["temporal_patch_size"] != nil { temporalPatchSize = try json.setting("temporal_patch_size") }
        if json["merge_size"] != nil { mergeSize = try json.setting("merge_size") }
        // The "edges" are counts of pixels; the names are inherited.
        let size = json["size"] ?? .null
        for (source, minimum, maximum) in [
            (size, "shortest_edge", "longest_edge"), (size, "min_pixels", "max_pixels"),
            (json, "min_pixels", "max_pixels"),
        ] {
            if source[minimum] != nil { minimumPixels = try source.setting(minimum) }
            if source[maximum] != nil { maximumPixels = try source.setting(maximum) }
        }
        if json["image_mean"] != nil { mean = try json.channels("image_mean") }
        if json["image_std"] != nil { standardDeviation = try json.channels("image_std") }
        try checkSize(json)
        for key in ["do_resize", "do_rescale", "do_normalize", "do_convert_rgb"] where json[key] == false {
            throw .badInput("\(key) is off, which is not supported")
        }
        if let resample = json["resample"]?.int, resample != 3 {
            throw .badInput("resample is \(resample); only 3 (bicubic) is known")
        }
        if let factor = json["rescale_factor"]?.double, abs(factor - 1 / 255) > 1e-9 {
            throw .badInput("rescale_factor is \(factor); only 1/255 is known")
        }
        try check()
    }

    /// The reference resizes by two counts of pixels alone, and fails where a file states another kind of size. Cropping and
    /// padding it passes over, but for one that lacks its size.
    /// - Throws: `badInput` naming the key.
    private func checkSize(_ json: JSON) throws(Failure) {
        if let size = json["size"] {
            let names = [["shortest_edge", "min_pixels"], ["longest_edge", "max_pixels"]]
            let hasEdges = names.allSatisfy { names in
                names.contains { size[$0] != nil } || json[names[1]] != nil
            }
            let others = (size.members ?? []).filter { member in
                member.value != .null && !names.contains { $0.contains(member.key) }
            }
            guard hasEdges, others.isEmpty, size.members != nil else {
                throw .badInput(
                    "size is \(size.serialized()); only \"shortest_edge\" with \"longest_edge\" is supported")
            }
        }
        if json["do_center_crop"] == true, json["crop_size"] == nil {
            throw .badInput("do_center_crop is on without a crop_size, which is not supported")
        }
    }

    /// Whether the settings make sense together.
    /// - Throws: `badInput` when they do not.
    func check() throws(Failure) {
        guard (1...256).contains(patchSize), (1...16).contains(temporalPatchSize),
            (1...16).contains(mergeSize)
        else {
            throw .badInput(
                "patch size \(patchSize), \(temporalPatchSize) or merge size \(mergeSize) is out of range")
        }
        if let fixedSide {
            guard (1...1 << 14).contains(fixedSide), fixedSide % factor == 0,
                (1...1 << 20).contains(fixedTokens ?? 0)
            else {
                throw .badInput("pictures of \(fixedSide) pixels are out of range")
            }
        }
        guard minimumPixels > 0, minimumPixels <= maximumPixels, maximumPixels >= factor * factor,
            maximumPixels <= ImagePreprocessor.mostPixels
        else {
            throw .badInput("pixel limits \(minimumPixels) to \(maximumPixels) are out of range")
        }
        // What they make of 8-bit levels must be finite in float32.
        guard mean.count == 3, standardDeviation.count == 3, mean.allSatisfy({ abs($0) <= 1e3 }),
            standardDeviation.allSatisfy({ $0 >= 1e-4 && $0 <= 1e4 })
        else {
            throw .badInput("mean or standard deviation is out of range")
        }
    }
}

extension JSON {
    fileprivate func setting(_ key: String) throws(Failure) -> Int {
        guard let value = self[key]?.int, value > 0 else {
            throw .badInput("\"\(key)\" is no positive integer")
        }
        return value
    }

    fileprivate func channels(_ key: String) throws(Failure) -> [Double] {
        let values = self[key]?.array?.compactMap(\.double) ?? []
        guard values.count == 3 else { throw .badInput("\"\(key)\" is not three numbers") }
        return values
    }
}
