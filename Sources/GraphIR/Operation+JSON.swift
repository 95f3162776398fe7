import Storage

extension Operation {
    /// The name in text and JSON.
    public var name: String {
        switch self {
        case .embedding: "embedding"
        case .linear: "linear"
        case .parameter: "parameter"
        case .positionTable: "position_table"
        case .expertLinear: "expert_linear"
        case .norm(let norm): norm.kind == .rms ? "rms_norm" : "layer_norm"
        case .activation: "activation"
        case .gatedProduct: "gated_product"
        case .add: "add"
        case .concatenate: "concatenate"
        case .columns: "columns"
        case .mergeRows: "merge_rows"
        case .selectRows: "select_rows"
        case .scatterRows: "scatter_rows"
        case .addRows: "add_rows"
        case .route: "route"
        case .weightedSum: "weighted_sum"
        case .rotaryTable: "rotary_table"
        case .rotary: "rotary"
        case .lengthScale: "length_scale"
        case .windows: "windows"
        case .attention: "attention"
        }
    }

    /// Everything but the name, in the order in which it is printed.
    var attributes: [JSON.Member] {
        switch self {
        case .embedding(let use):
            use.attributes
        case .linear(let use, let bias):
            use.attributes + (bias.map { [.init("bias", .string($0))] } ?? [])
        case .parameter(let weight):
            [.init("weight", .string(weight))]
        case .positionTable(let weight, let interpolation):
            [.init("weight", .string(weight)), .init("interpolation", .string(interpolation.rawValue))]
        case .expertLinear(let use, let experts, let chosen):
            use.attributes + [.init("experts", .int(experts)), .init("chosen", .int(chosen))]
        case .norm(let norm):
            [.init("weight", .string(norm.weight))] + (norm.bias.map { [.init("bias", .string($0))] } ?? [])
                + [.init("epsilon", .double(norm.epsilon))]
                + (norm.heads > 1 ? [.init("heads", .int(norm.heads))] : [])
        case .activation(let kind), .gatedProduct(let kind):
            [.init("function", .string(kind.rawValue))]
        case .columns(let range):
            [.init("from", .int(range.lowerBound)), .init("to", .int(range.upperBound))]
        case .mergeRows(let factor):
            [.init("factor", .int(factor))]
        case .add, .selectRows, .scatterRows, .addRows, .concatenate:
            []
        case .route(let chosen), .weightedSum(let chosen):
            [.init("chosen", .int(chosen))]
        case .lengthScale(let length):
            [.init("length", .int(length))]
        case .windows(let side):
            [.init("side", .int(side))]
        case .rotaryTable(let table):
            table.attributes
        case .rotary(let heads, let headDimension):
            [.init("heads", .int(heads)), .init("head_dimension", .int(headDimension))]
        case .attention(let attention):
            attention.attributes
        }
    }

    /// The names of those that it may have.
    var attributeNames: Set<String> {
        let names = Set(attributes.map(\.key))
        return if case .norm(let norm) = self, norm.kind == .rms { names.union(["heads"]) } else { names }
    }

    init(json: JSON) throws(Failure) {
        func text(_ key: String) throws(Failure) -> String {
            guard let value = json[key]?.string else { throw .badInput("lacks the text '\(key)'") }
            return value
        }
        func int(_ key: String) throws(Failure) -> Int {
            guard let value = json[key]?.int, (0..<1 << 40).contains(value) else {
                throw .badInput("lacks the number '\(key)'")
            }
            return value
        }
        func real(_ key: String) throws(Failure) -> Double {
            guard let value = json[key]?.double else { throw .badInput("lacks the number '\(key)'") }
            return value
        }
        func use() throws(Failure) -> WeightUse {
            WeightUse(
                try text("weight"), Role(try text("role")),
                block: json["block"] == nil ? nil : try int("block"))
        }
        func function() throws(Failure) -> Activation {
            let name = try text("function")
            guard let kind = Activation(rawValue: name) else {
                throw .badInput("knows no function '\(name)'")
            }
            return kind
        }
        switch try text("op") {
        case "embedding": self = .embedding(try use())
        case "linear": self = .linear(try use(), bias: json["bias"] == nil ? nil : try text("bias"))
        case "parameter": self = .parameter(try text("weight"))
        case "position_table":
            let name = try text("interpolation")
            guard let kind = Interpolation(rawValue: name) else {
                throw .badInput("knows no interpolation '\(name)'")
            }
            self = .positionTable(try text("weight"), kind)
        case "expert_linear":
            self = .expertLinear(try use(), experts: try int("experts"), chosen: try int("chosen"))
        case "rms_norm":
            self = .norm(
                Norm(
                    .rms, weight: try text("weight"), epsilon: try real("epsilon"),
                    heads: json["heads"] == nil ? 1 : try int("heads")))
        case "layer_norm":
            self = .norm(
                Norm(.layer, weight: try text("weight"), bias: try text("bias"), epsilon: try real("epsilon"))
            )
        case "activation": self = .activation(try function())
        case "gated_product": self = .gatedProduct(try function())
        case "add": self = .add
        case "concatenate": self = .concatenate
        case "columns":
            let (from, to) = (try int("from"), try int("to"))
            guard from <= to else { throw .badInput("has its columns the wrong way round") }
            self = .columns(from..<to)
        case "merge_rows": self = .mergeRows(try int("factor"))
        case "select_rows": self = .selectRows
        case "scatter_rows": self = .scatterRows
        case "add_rows": self = .addRows
        case "route": self = .route(chosen: try int("chosen"))
        case "weighted_sum": self = .weightedSum(chosen: try int("chosen"))
        case "length_scale": self = .lengthScale(try int("length"))
        case "windows": self = .windows(side: try int("side"))
        case "rotary_table": self = .rotaryTable(try RotaryTable(json: json))
        case "rotary": self = .rotary(heads: try int("heads"), headDimension: try int("head_dimension"))
        case "attention": self = .attention(try Attention(json: json))
        case let unknown:
            throw .badInput("is of the unknown operation '\(unknown)'", remedy: "a newer Tessera may know it")
        }
    }
}

extension Operation.WeightUse {
    fileprivate var attributes: [JSON.Member] {
        [.init("weight", .string(weight)), .init("role", .string(role.description))]
            + (block.map { [.init("block", .int($0))] } ?? [])
    }
}

extension Operation.RotaryTable {
    fileprivate var attributes: [JSON.Member] {
        let layout: JSON.Member =
            switch layout {
            case .sections(let sections): .init("sections", .array(sections.map(JSON.int)))
            case .interleaved(let sections): .init("interleaved_sections", .array(sections.map(JSON.int)))
            case .axial(let axes): .init("axes", .int(axes))
            }
        return [.init("head_dimension", .int(headDimension)), .init("theta", .double(theta)), layout]
            + (trainedLength.map { [.init("trained_length", .int($0))] } ?? [])
    }

    fileprivate init(json: JSON) throws(Failure) {
        guard let head = json["head_dimension"]?.int, let theta = json["theta"]?.double else {
            throw .badInput("lacks 'head_dimension' or 'theta'")
        }
        let layout: Layout
        if let sections = json["sections"]?.ints {
            layout = .sections(sections)
        } else if let sections = json["interleaved_sections"]?.ints {
            layout = .interleaved(sections)
        } else if let axes = json["axes"]?.int {
            layout = .axial(axes: axes)
        } else {
            throw .badInput("lacks 'sections', 'interleaved_sections' or 'axes'")
        }
        self.init(
            headDimension: head, theta: theta, layout: layout, trainedLength: json["trained_length"]?.int)
    }
}

extension Operation.Attention {
    fileprivate var attributes: [JSON.Member] {
        let extent: JSON.Member =
            switch extent {
            case .causal(let layer): .init("causal_layer", .int(layer))
            case .segments: .init("segments", true)
            case .windows: .init("windows", true)
            case .all: .init("all", true)
            }
        return [
            .init("heads", .int(heads)), .init("key_heads", .int(keyHeads)),
            .init("head_dimension", .int(headDimension)), extent,
        ]
    }

    fileprivate init(json: JSON) throws(Failure) {
        guard let heads = json["heads"]?.int, let keyHeads = json["key_heads"]?.int, keyHeads > 0,
            let head = json["head_dimension"]?.int
        else { throw .badInput("lacks 'heads', 'key_heads' or 'head_dimension'") }
        let extent: Extent
        if let layer = json["causal_layer"]?.int {
            extent = .causal(layer: layer)
        } else if json["segments"]?.bool == true {
            extent = .segments
        } else if json["windows"]?.bool == true {
            extent = .windows
        } else if json["all"]?.bool == true {
            extent = .all
        } else {
            throw .badInput("lacks 'causal_layer', 'segments', 'windows' or 'all'")
        }
        self.init(heads: heads, keyHeads: keyHeads, headDimension: head, extent: extent)
    }
}
