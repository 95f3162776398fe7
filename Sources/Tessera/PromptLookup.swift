/// Drafts the next tokens of a text by what followed the same tokens earlier in it: prompt lookup decoding
/// (https://github.com/apoorvumang/prompt-lookup-decoding; the same idea in arXiv 2304.04487).
///
/// The longer the text has gone on as it did before, the more is drafted; where drafts fail, longer agreement is asked for.
/// So text that repeats nothing is hardly held up.
struct PromptLookup {
    /// The most tokens of a draft, and the most of an agreement that are counted.
    static let longest = 16
    private static let strictest = 8

    /// Tokens that were drafted and judged.
    private(set) var drafted = 0
    /// Those of them that were chosen.
    private(set) var accepted = 0
    private var tokens: [Int32]
    private let undrafted: Set<Int32>
    /// Tokens that must agree before anything is drafted.
    private var required = PromptLookup.leastRequired
    private static let leastRequired = 2

    /// A lookup in what follows `tokens`.
    /// - Parameter undrafted: tokens at which a draft ends before them: those that end an answer or stand for pictures.
    init(_ tokens: [Int32], undrafted: Set<Int32>) {
        self.tokens = tokens
        self.undrafted = undrafted
    }

    /// Adds a token that was written.
    mutating func append(_ token: Int32) { tokens.append(token) }

    /// What may come next, at most `room` tokens; nothing where nothing is known.
    func draft(room: Int) -> [Int32] {
        let (place, agreement) = longestAgreement()
        guard agreement >= required else { return [] }
        var draft: [Int32] = []
        for index in place..<place + min(agreement, room) {
            // A text that repeats itself goes on with what is being drafted.
            let token = index < tokens.count ? tokens[index] : draft[index - tokens.count]
            guard !undrafted.contains(token) else { break }
            draft.append(token)
        }
        return draft
    }

    /// Learns how much of a draft was chosen.
    mutating func judge(_ count: Int, accepted: Int) {
        guard count > 0 else { return }
        drafted += count
        self.accepted += accepted
        if accepted == count {
            required = PromptLookup.leastRequired
        } else if accepted == 0 {
            required = min(required + 1, PromptLookup.strictest)
        }
    }

    /// Where the last tokens stood before, the longest run of them and of equal ones the latest: the place behind them, and
    /// how many agree.
    private func longestAgreement() -> (place: Int, count: Int) {
        tokens.withUnsafeBufferPointer { tokens in
            guard let last = tokens.last else { return (0, 0) }
            var (best, length) = (0, 0)
            for end in stride(from: tokens.count - 2, through: 0, by: -1) where tokens[end] == last {
                var agreeing = 1
                while agreeing < PromptLookup.longest, agreeing <= end,
                    tokens[end - agreeing] == tokens[tokens.count - 1 - agreeing]
                {
                    agreeing += 1
                }
                if agreeing > length { (best, length) = (end + 1, agreeing) }
                if length == PromptLookup.longest { break }
            }
            return (best, length)
        }
    }
}
