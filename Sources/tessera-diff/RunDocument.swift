import Accuracy
import CommandSupport
import Glibc
import Prompts
import Runtime
import SampleSets
import Storage
import Tessera

/// What two models that were run foretell, as parts of a document; `formats/diff.md`.
struct RunDocument {
    private let run: RunComparison
    private let base: Model
    private let other: Model

    /// Samples whose positions are listed: those that are furthest apart.
    static let detailedSamples = 16
    /// Positions that are listed of a sample, but for the furthest one.
    static let detailedPositions = 512

    init(_ run: RunComparison, base: Model, other: Model) {
        self.run = run
        self.base = base
        self.other = other
    }

    func members() throws(Failure) -> [JSON.Member] {
        var members: [JSON.Member] = [
            .init("stages", .array(run.stages.map { $0.json(samples: run.stageSamples) })),
            .init("divergence", run.divergence.json),
        ]
        if let answers = run.answerDivergence { members.append(.init("answer_divergence", answers.json)) }
        members.append(.init("positions", .array(run.divergence.bands.map(\.bandJSON))))
        members.append(.init("samples", .array(try samples())))
        if let attribution = run.attribution { members.append(.init("attribution", attribution.json)) }
        return members
    }

    /// Anonymous bytes that each model takes for the longest sample, with its pictures, as it was run.
    func memory() throws(Failure) -> (base: Int, other: Int) {
        let set = run.set.prepared
        guard let sample = set.samples.max(by: { $0.tokens.count < $1.tokens.count }) else { return (0, 0) }
        let visuals = sample.visuals.map { number in
            let visual = set.visuals[number]
            return PreparedPrompt.Visual(visual.medium, Patches(values: [], grid: visual.grid))
        }
        func bytes(_ model: Model) throws(Failure) -> Int {
            try model.estimateMemory(for: visuals, capacity: sample.tokens.count).anonymous
        }
        return (try bytes(base), try bytes(other))
    }

    private func samples() throws(Failure) -> [JSON] {
        let means = run.samples.map { $0.divergence.mean ?? 0 }
        let worst = means.indices.sorted { means[$0] != means[$1] ? means[$0] > means[$1] : $0 < $1 }
        let detailed = Set(worst.prefix(Self.detailedSamples))
        var first = 0
        return try run.samples.indices.map { (number) throws(Failure) in
            defer { first += run.set.items[number].media.count }
            let limit =
                number == worst.first ? Int.max : detailed.contains(number) ? Self.detailedPositions : 0
            return try sample(number, visuals: first, positions: limit)
        }
    }

    private func sample(_ number: Int, visuals first: Int, positions: Int) throws(Failure) -> JSON {
        let (item, comparison) = (run.set.items[number], run.samples[number])
        let sample = run.set.prepared.samples[number]
        var members: [JSON.Member] = [
            .init("name", .string(item.name)), .init("tokens", .int(sample.tokens.count)),
            .init("visual_tokens", .int(sample.visualRows.count)),
        ]
        if let summary = comparison.divergence.summary {
            members.append(.init("mean", .measure(summary.mean)))
            members.append(.init("standard_error", .measure(summary.standardError)))
            members.append(.init("same_top1", .measure(summary.agreement)))
        }
        if let question = item.question { members.append(.init("prompt", .string(question))) }
        if let answers = run.answerTokens(number) {
            members.append(.init("base_answer", .string(try base.requireTokenizer().decode(answers.base))))
            members.append(.init("other_answer", .string(try other.requireTokenizer().decode(answers.other))))
            members.append(.init("first_difference", try parting(comparison.parting)))
        }
        if positions > 0 {
            members.append(.init("scored", .array(try scored(number, positions))))
        }
        if !item.media.isEmpty {
            members.append(.init("pictures", .array(try pictures(number, first))))
        }
        return .object(members)
    }

    private func parting(_ parting: SampleComparison.Parting?) throws(Failure) -> JSON {
        guard let parting else { return .null }
        func tops(_ tokens: TopTokens?, _ model: Model) throws(Failure) -> JSON {
            let tokenizer = try model.requireTokenizer()
            return .array(
                (tokens?.entries ?? []).map { entry in
                    .pairs([
                        "token": .int(Int(entry.token)), "text": .string(tokenizer.text(of: entry.token)),
                        "probability": .measure(entry.probability),
                    ])
                })
        }
        return .pairs([
            "token": .int(parting.token), "base": try tops(parting.base, base),
            "other": try tops(parting.other, other),
        ])
    }

    private func scored(_ number: Int, _ most: Int) throws(Failure) -> [JSON] {
        let tokenizer = try base.requireTokenizer()
        let tokens = run.set.prepared.samples[number].tokens
        let positions = run.samples[number].divergence.positions
        return zip(positions, run.set.areAnswers(number)).prefix(most).map { position, isAnswer in
            let next = position.place + 1
            var members: [JSON.Member] = [
                .init("text", .string(next < tokens.count ? tokenizer.text(of: tokens[next]) : "")),
                .init("kl", .measure(position.divergence)),
            ]
            if let loss = position.baseLoss {
                members.append(.init("base_probability", .measure(exp(-loss))))
            }
            if let loss = position.otherLoss {
                members.append(.init("other_probability", .measure(exp(-loss))))
            }
            members.append(.init("same", .bool(position.agrees)))
            members.append(.init("answer", .bool(isAnswer)))
            return .object(members)
        }
    }

    private func pictures(_ number: Int, _ first: Int) throws(Failure) -> [JSON] {
        let item = run.set.items[number]
        let answers = run.answerTokens(number)
        return try item.media.enumerated().map { (index, medium) throws(Failure) in
            let visual = run.set.prepared.visuals[first + index]
            var members: [JSON.Member] = [
                .init("path", .string(medium.path)),
                .init("medium", .string(medium.size == nil ? "video" : "image")),
                .init("width", medium.size.map { .int($0.width) } ?? .null),
                .init("height", medium.size.map { .int($0.height) } ?? .null),
            ]
            if let errors = run.visualErrors[first + index],
                let grid = base.prompt.images.tokenGrid(of: visual.grid), grid.reduce(1, *) == errors.count
            {
                members.append(.init("grid", .array(grid.map(JSON.int))))
                members.append(.init("error", .array(errors.map { .measure(Double($0)) })))
            }
            if let answers, index == item.media.count - 1 {
                members.append(
                    .init(
                        "boxes",
                        .pairs([
                            "base": boxes(try run.places(answers.base, number, base)),
                            "other": boxes(try run.places(answers.other, number, other)),
                        ])))
            }
            return .object(members)
        }
    }

    private func boxes(_ objects: [LocatedObject]) -> JSON {
        .array(
            objects.filter { $0.points.count == 2 }.map { object in
                .array(object.points.flatMap { [.int($0.x), .int($0.y)] })
            })
    }
}

extension Tokenizer {
    /// The text of one token, special or not.
    fileprivate func text(of token: Int32) -> String { decode([token], skipSpecials: false) }
}

extension ImagePreprocessor {
    /// Frames, rows and columns of the tokens that stand for a picture; nil where they are no places of it.
    fileprivate func tokenGrid(of grid: PatchGrid) -> [Int]? {
        fixedTokens == nil ? [grid.t, grid.h / mergeSize, grid.w / mergeSize] : nil
    }
}

extension Divergence.Band {
    fileprivate var bandJSON: JSON {
        .pairs([
            "from": .int(places.lowerBound), "to": .int(places.upperBound), "positions": .int(positions),
            "mean": .measure(mean.value), "standard_error": .measure(mean.standardError),
        ])
    }
}

extension StageDifference {
    /// - Parameter samples: the numbers in the whole set of the samples that were run part by part.
    fileprivate func json(samples: [Int]) -> JSON {
        var members: [JSON.Member] =
            [.init("name", .string(name))] + (accumulated.json.members ?? []).dropFirst()
        members += [
            .init("graph", .string(graph)), .init("block", block.map(JSON.int) ?? .null),
            .init("module", .string(module)), .init("accumulated", accumulated.json),
            .init("own", own.json.setting("expected", to: expectedOwn.map(JSON.measure) ?? .null)),
        ]
        if let visual { members.append(.init("visual", visual.json)) }
        if let text { members.append(.init("text", text.json)) }
        if let worstRow, samples.indices.contains(worstRow.sample) {
            members.append(
                .init(
                    "worst_row",
                    .pairs([
                        "sample": .int(samples[worstRow.sample]), "row": .int(worstRow.row),
                        "relative_l2": .measure(worstRow.relativeL2),
                    ])))
        }
        return .object(members)
    }
}

extension Attribution {
    fileprivate var json: JSON {
        .pairs([
            "samples": .int(samples), "tokens": .int(tokens), "positions": .int(positions),
            "whole": .measure(whole), "sum": .measure(sum), "weights": .measure(weights),
            "activations": .measure(whole), "cache": .measure(cache),
            "modules": .array(
                modules.map { module in
                    .pairs([
                        "name": .string(module.name), "graph": .string(module.graph),
                        "block": module.block.map(JSON.int) ?? .null, "role": .string(module.role),
                        "only": .measure(module.cost.only),
                        "without": module.cost.without.map(JSON.measure) ?? .null,
                    ])
                }),
            "blocks": .array(blocks.map(\.json)), "roles": .array(roles.map(\.json)),
        ])
    }
}

extension Attribution.Group {
    fileprivate var json: JSON {
        let words = name.split(separator: ".")
        var members: [JSON.Member] = [.init("name", .string(name))]
        if words.count == 3, words[1] == "block", let block = Int(words[2]) {
            members += [.init("graph", .string(String(words[0]))), .init("block", .int(block))]
        } else {
            members.append(.init("role", .string(name)))
        }
        return .object(
            members + [
                .init("only", .measure(cost.only)), .init("without", cost.without.map(JSON.measure) ?? .null),
            ])
    }
}
