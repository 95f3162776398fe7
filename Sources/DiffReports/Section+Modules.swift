import Storage

extension Section {
    /// The most modules of a graph that are drawn.
    private static let mostModules = 4000

    /// What each part costs alone; nil when that was not measured.
    static func modules(_ attribution: Attribution) -> Section? {
        var graphs: [String] = []
        for part in attribution.modules where !graphs.contains(part.graph) && graphs.count < 8 {
            graphs.append(part.graph)
        }
        // One scale for all maps, so that they can be compared.
        let savings = attribution.modules.compactMap { saving($0, attribution) }
        let shade = Shade(halfDecadesTo: attribution.modules.compactMap(\.only) + savings)
        let maps = graphs.enumerated().map { number, graph in
            Section.maps(
                graph, attribution.modules.filter { $0.graph == graph }.prefix(mostModules), attribution,
                id: "modules-\(number)", shade)
        }
        let choice: Markup = """
            <fieldset class="choice"><legend>Shaded by</legend>
            <label><input type="radio" name="by" value="only" checked> cost alone</label>
            <label><input type="radio" name="by" value="without"> what sparing it saves</label></fieldset>
            """
        let details = [
            table("Modules", attribution.modules), table("Whole blocks", attribution.blocks),
            table("Roles", attribution.roles),
        ]
        return Section(
            id: "modules", title: "Modules",
            body: """
                \(summary(attribution))
                \(worst(attribution))
                \(graphs.isEmpty ? "" : choice)
                \(maps)\(graphs.isEmpty ? "" : shade.legend("Nats"))\(details)
                """)
    }

    private static func summary(_ attribution: Attribution) -> Markup {
        var table = HTMLTable("Mean KL in nats of", .text("what is quantized"), .number("mean KL"))
        for (words, value) in [
            ("everything, as it runs", attribution.whole), ("modules alone, summed", attribution.sum),
            ("weights only, computed in float32", attribution.weights),
            ("activations rounded as well", attribution.activations),
            ("keys and values kept as the cache does, too", attribution.cache),
        ] {
            if let value { table.add("\(words)", "\(Words.figure(value))") }
        }
        let over = [
            attribution.samples.map { Words.number($0, "sample") },
            attribution.tokens.map { Words.number($0, "token") },
        ].compactMap { $0 }
        let measured: Markup =
            over.isEmpty ? "" : "<p class=\"note\">Measured over \(over.joined(separator: " and ")).</p>\n"
        return "\(table.isEmpty ? "" : table.markup)\(measured)"
    }

    private static func worst(_ attribution: Attribution) -> Markup {
        let worst = attribution.worst.prefix(8)
        guard !worst.isEmpty else { return "" }
        var table = HTMLTable(
            "The modules that cost most alone", .text("module"), .number("alone"), .number("of the whole"),
            .number("everything but it"))
        for part in worst {
            let share = attribution.whole.flatMap { whole in part.only.map { whole > 0 ? $0 / whole : .nan } }
            table.add(
                .name(part.name), "\(Words.figure(part.only))",
                "\(share?.isFinite == true ? Words.percent(share, 1) : Words.none)",
                "\(Words.figure(part.without))")
        }
        return table.markup
    }

    /// Two maps of one graph, of which the choice shows one.
    private static func maps(
        _ graph: String, _ modules: some Sequence<Attribution.Part>, _ attribution: Attribution, id: String,
        _ shade: Shade
    ) -> Markup {
        let alone = cells(modules, graph) { $0.only }
        let saved = cells(modules, graph) { saving($0, attribution) }
        let map = { (title: String, cells: [HeatMap.Cell], kind: String) -> Markup in
            guard let worst = cells.max(by: { $0.value < $1.value }) else { return "" }
            let map = HeatMap(title: title, summary: "The largest is \(worst.label).", cells: cells)
            return "<div class=\"by-\(kind)\">\(map.markup(id: "\(id)-\(kind)", shade: shade))</div>\n"
        }
        let name = graph.isEmpty ? "the model" : "the \(graph) graph"
        return """
            \(map("Cost of each module of \(name) alone, by block", alone, "only"))\
            \(map("What is saved where one module of \(name) stays the base's, by block", saved, "without"))

            """
    }

    /// What is saved when a part stays the base's.
    private static func saving(_ part: Attribution.Part, _ attribution: Attribution) -> Double? {
        attribution.whole.flatMap { whole in part.without.map { whole - $0 } }
    }

    private static func cells(
        _ modules: some Sequence<Attribution.Part>, _ graph: String, _ value: (Attribution.Part) -> Double?
    ) -> [HeatMap.Cell] {
        modules.compactMap { part in
            guard let value = value(part) else { return nil }
            let prefix = graph + "."
            let role = part.role.isEmpty ? part.name : part.role
            return HeatMap.Cell(
                row: role.hasPrefix(prefix) ? String(role.dropFirst(prefix.count)) : role, block: part.block,
                value: value,
                label: "\(part.name): alone \(Words.figure(part.only)), "
                    + "everything but it \(Words.figure(part.without)) nats")
        }
    }

    private static func table(_ caption: String, _ parts: [Attribution.Part]) -> Markup {
        guard !parts.isEmpty else { return "" }
        var table = HTMLTable(
            "\(caption): mean KL in nats", .text("name"), .number("alone"), .number("everything but it"))
        for part in parts.prefix(mostModules) {
            table.add(.name(part.name), "\(Words.figure(part.only))", "\(Words.figure(part.without))")
        }
        return table.folded("\(caption) in numbers", of: parts.count)
    }
}
