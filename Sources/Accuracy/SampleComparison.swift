import Storage

/// What two models foretell over one sample.
public struct SampleComparison: Sendable {
    /// Position by position.
    public let divergence: Divergence
    /// The other model's own answer, where the sample ends with a question.
    public let otherAnswer: [Int32]?
    /// Where the two answers part; nil where they do not, or there are none.
    public let parting: Parting?

    /// The first token of two answers that differs.
    public struct Parting: Equatable, Sendable {
        /// Its number in the answers.
        public let token: Int
        /// What the base found most likely there; nil where its logits are no distribution.
        public let base: TopTokens?
        /// What the other found most likely there.
        public let other: TopTokens?
    }

    /// What ``bytes`` wrote.
    /// - Throws: `badInput` for anything else.
    init(bytes: [UInt8]) throws(Failure) {
        let length = bytes.prefix(8).enumerated().reduce(UInt64(0)) {
            $0 | UInt64($1.element) << (8 * UInt64($1.offset))
        }
        guard bytes.count >= 8, length <= UInt64(bytes.count - 8) else {
            throw .badInput("is no comparison of a sample")
        }
        let start = 8 + Int(length)
        let json = try JSON(parsing: Array(bytes[8..<start]))
        divergence = try Divergence(bytes: bytes[start...])
        otherAnswer = json["answer"]?.ints?.map { Int32(clamping: $0) }
        parting = json["parting"].flatMap { parting in
            parting["token"]?.int.map {
                Parting(
                    token: $0, base: parting["base"].flatMap(TopTokens.init),
                    other: parting["other"].flatMap(TopTokens.init))
            }
        }
    }

    init(divergence: Divergence, otherAnswer: [Int32]?, parting: Parting?) {
        self.divergence = divergence
        self.otherAnswer = otherAnswer
        self.parting = parting
    }

    /// For a journal: the length of a JSON object of the answers, 8 bytes; the object; the positions.
    var bytes: [UInt8] {
        let json = JSON.pairs([
            "answer": otherAnswer.map { .array($0.map { .int(Int($0)) }) } ?? .null,
            "parting": parting.map {
                .pairs([
                    "token": .int($0.token), "base": $0.base?.json ?? .null, "other": $0.other?.json ?? .null,
                ])
            } ?? .null,
        ])
        let text = Array(json.serialized().utf8)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + divergence.bytes
    }
}

extension TopTokens {
    /// `[[token, probability]]`.
    fileprivate var json: JSON {
        .array(entries.map { .array([.int(Int($0.token)), .double($0.probability)]) })
    }

    fileprivate init?(_ json: JSON) {
        guard let list = json.array else { return nil }
        self.init(
            entries: list.compactMap { entry in
                guard let pair = entry.array, pair.count == 2, let token = pair[0].int,
                    let probability = pair[1].double
                else { return nil }
                return Entry(token: Int32(clamping: token), probability: probability)
            })
    }
}
