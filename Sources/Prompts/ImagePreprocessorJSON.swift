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
    /// - Throws: `badInput` naming the setting that is missing, unknown or out of range.
    public init(json: JSON) throws(Failure) {
        try json.requireOnly(
            [
                "patch_size", "temporal_patch_size", "merge_size", "min_pixels", "max_pixels", "mean", "std",
                "resampling",
            ] + (json["side"] == nil ? [] : ["side", "tokens", "reading"]))
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

    /// Reads what a checkpoint's files say, if they say something. What they leave out is as the reference's class has it.
    /// - Parameter published: what holds where there is no file.
    /// - Throws: `badInput` naming the file and the setting that is out of range.
    public init(_ files: ProcessorFiles, published: ImagePreprocessor = ImagePreprocessor()) throws(Failure) {
        self = published
        guard let settings = files.images else {
            guard let stated = files.stated else { return }
            try read(stated)
            // Stated as float32: what rounds to the same is the same.
            if mean.map(Float.init) == published.mean.map(Float.init) { mean = published.mean }
            if standardDeviation.map(Float.init) == published.standardDeviation.map(Float.init) {
                standardDeviation = published.standardDeviation
            }
            return
        }
        self = ImagePreprocessor()
        maximumPixels = 1_003_520
        try read(settings)
    }

    /// Takes what a published file states.
    mutating func read(_ settings: SettingsReader) throws(Failure) {
        patchSize = try settings.int("patch_size", default: patchSize)
        temporalPatchSize = try settings.int("temporal_patch_size", default: temporalPatchSize)
        mergeSize = try settings.int("merge_size", default: mergeSize)
        // The "edges" are counts of pixels; the names are inherited.
        let size = settings.object("size")
        for (source, minimum, maximum) in [
            (size, "shortest_edge", "longest_edge"), (size, "min_pixels", "max_pixels"),
            (settings, "min_pixels", "max_pixels"),
        ] {
            guard let source else { continue }
            minimumPixels = try source.int(minimum, default: minimumPixels)
            maximumPixels = try source.int(maximum, default: maximumPixels)
        }
        mean = try settings.channels("image_mean", default: mean)
        standardDeviation = try settings.channels("image_std", default: standardDeviation)
        try checkSize(settings)
        for key in ["do_resize", "do_rescale", "do_normalize", "do_convert_rgb"] {
            guard try settings.bool(key) != false else {
                throw .badInput(
                    "'\(settings.path)\(key)' is off, which is not supported", file: settings.file)
            }
        }
        if let resample = settings["resample"], resample != 3 { throw settings.invalid("resample", resample) }
        if let factor = settings["rescale_factor"], !(abs((factor.double ?? 0) - 1 / 255) <= 1e-9) {
            throw settings.invalid("rescale_factor", factor)
        }
        do { try check() } catch { throw error.located(in: settings.file) }
    }

    /// The reference resizes by two counts of pixels alone, and fails where a file states another kind of size. Cropping and
    /// padding it passes over, but for one that lacks its size.
    /// - Throws: `badInput` naming the key.
    private func checkSize(_ settings: SettingsReader) throws(Failure) {
        if let size = settings.json["size"] {
            let names = [["shortest_edge", "min_pixels"], ["longest_edge", "max_pixels"]]
            let hasEdges = names.allSatisfy { names in
                names.contains { size[$0] != nil } || settings[names[1]] != nil
            }
            let others = (size.members ?? []).filter { member in
                member.value != .null && !names.contains { $0.contains(member.key) }
            }
            guard hasEdges, others.isEmpty, size.members != nil else {
                throw .badInput(
                    "'\(settings.path)size' is \(size.serialized()); only \"shortest_edge\" with \"longest_edge\" is supported",
                    file: settings.file)
            }
        }
        if try settings.bool("do_center_crop") == true, settings["crop_size"] == nil {
            throw .badInput(
                "'\(settings.path)do_center_crop' is on without a crop_size, which is not supported",
                file: settings.file)
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

extension SettingsReader {
    fileprivate func channels(_ key: String, default fallback: [Double]) throws(Failure) -> [Double] {
        guard let value = self[key] else { return fallback }
        let values = value.array?.compactMap(\.double) ?? []
        guard values.count == 3 else { throw invalid(key, value) }
        return values
    }
}
