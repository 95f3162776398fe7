import Storage

/// An error of OTHER from BASE in values of one name.
struct ValueError {
    let relativeL2, relativeMaximum, cosine: Double?
    let nonFinite: Int
    /// In dB; infinite when the values are the same.
    let sqnr: Double?

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        (relativeL2, relativeMaximum) = (json.measure("relative_l2"), json.measure("relative_maximum"))
        cosine = json.measure("cosine")
        nonFinite = json["non_finite"]?.int ?? 0
        // Null says exact, but only of an error that was measured.
        sqnr = json.measure("sqnr_db") ?? (relativeL2 == 0 ? .infinity : nil)
    }
}

/// A place in a graph.
struct Stage {
    let name: String
    let graph: String
    let block: Int?
    let module: String?
    let accumulated, own, visual, text: ValueError?
    let ownExpected: Double?
    let worstRow: (sample: String?, row: Int?, relativeL2: Double?)?

    init?(_ json: JSON) {
        guard let name = json.text("name") else { return nil }
        self.name = name
        graph = json.text("graph") ?? name.split(separator: ".").first.map(String.init) ?? name
        block = json["block"]?.int
        module = json.text("module")
        // Those of the stage itself are the accumulated ones.
        accumulated =
            json["accumulated"].flatMap(ValueError.init)
            ?? (json["relative_l2"] == nil ? nil : ValueError(json))
        own = json["own"].flatMap(ValueError.init)
        ownExpected = json["own"]?.measure("expected")
        visual = json["visual"].flatMap(ValueError.init)
        text = json["text"].flatMap(ValueError.init)
        worstRow = json["worst_row"].map {
            (
                $0.text("sample") ?? $0["sample"]?.int.map { "\($0)" }, $0["row"]?.int,
                $0.measure("relative_l2")
            )
        }
    }
}

/// A weight in both.
struct TensorPair {
    let name: String
    let role: String?
    let shape: [Int]
    let baseEncoding, otherEncoding: String?
    let baseBytes, otherBytes: Int?
    let error, expected, roleMedian, cosine: Double?
    let worstRow, worstGroup: Place?
    let isRewritten: Bool
    let histogram: TensorHistogram?

    /// The row, or the group of columns of a row, that is furthest away.
    struct Place {
        let row: Int
        let group: Int?
        let error: Double?

        init?(_ json: JSON) {
            guard let row = json["row"]?.int else { return nil }
            self.row = row
            group = json["group"]?.int
            error = json.measure("error")
        }
    }

    init?(_ json: JSON) {
        guard let name = json.text("name") else { return nil }
        self.name = name
        role = json.text("role")
        shape = json["shape"]?.ints ?? []
        (baseEncoding, otherEncoding) = (json.text("base_encoding"), json.text("other_encoding"))
        (baseBytes, otherBytes) = (json["base_bytes"]?.int, json["other_bytes"]?.int)
        (error, expected) = (json.measure("error"), json.measure("expected"))
        (roleMedian, cosine) = (json.measure("role_median"), json.measure("cosine"))
        worstRow = json["worst_row"].flatMap(Place.init)
        worstGroup = json["worst_group"].flatMap(Place.init)
        isRewritten = json["rewritten"]?.bool ?? false
        histogram = json["histogram"].flatMap(TensorHistogram.init)
    }

    /// How many times what its format costs it is away; what is not finite is furthest.
    var excess: Double {
        guard let error else { return 0 }
        guard error.isFinite else { return .infinity }
        guard let expected, expected.isFinite, expected > 0 else { return error > 0 ? error : 0 }
        return error / expected
    }
}

/// Values of both sides counted in equal bins.
struct TensorHistogram {
    let from, to: Double
    let base, other: [Int]

    /// The most bins that are drawn.
    static let mostBins = 512

    init?(_ json: JSON) {
        guard let from = json.measure("from"), let to = json.measure("to"), from.isFinite, to.isFinite,
            from < to, let base = json["base"]?.ints, let other = json["other"]?.ints,
            base.count == other.count, (1...TensorHistogram.mostBins).contains(base.count),
            base.allSatisfy({ $0 >= 0 }), other.allSatisfy({ $0 >= 0 })
        else { return nil }
        (self.from, self.to, self.base, self.other) = (from, to, base, other)
    }
}

/// What each part costs alone: mean KL in nats.
struct Attribution {
    let samples, tokens: Int?
    let whole, sum, weights, activations, cache: Double?
    let modules, blocks, roles: [Part]

    /// A module, a block or a role.
    struct Part {
        let name, graph, role: String
        let block: Int?
        /// When nothing but it is OTHER's, and when everything but it is.
        let only, without: Double?

        init?(_ json: JSON) {
            guard json.members != nil else { return nil }
            graph = json.text("graph") ?? ""
            role = json.text("role") ?? ""
            block = json["block"]?.int
            name =
                json.text("name")
                ?? [graph, block.map { "block.\($0)" } ?? "", role].filter { !$0.isEmpty }.joined(
                    separator: ".")
            (only, without) = (json.measure("only"), json.measure("without"))
        }
    }

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        (samples, tokens) = (json["samples"]?.int, json["tokens"]?.int)
        (whole, sum) = (json.measure("whole"), json.measure("sum"))
        (weights, activations) = (json.measure("weights"), json.measure("activations"))
        cache = json.measure("cache")
        modules = json.list("modules", Part.init) ?? []
        blocks = json.list("blocks", Part.init) ?? []
        roles = json.list("roles", Part.init) ?? []
    }

    /// The modules that cost most alone, worst first.
    var worst: [Part] { modules.filter { $0.only != nil }.worstFirst { $0.only ?? 0 } }
}

extension Array {
    /// In falling order of a measure; what is no number comes first, and equal ones keep their order.
    func worstFirst(_ measure: (Element) -> Double) -> [Element] {
        let keys = map { element in
            let value = measure(element)
            return value.isNaN ? Double.infinity : value
        }
        return indices.sorted { keys[$0] != keys[$1] ? keys[$0] > keys[$1] : $0 < $1 }.map { self[$0] }
    }
}
