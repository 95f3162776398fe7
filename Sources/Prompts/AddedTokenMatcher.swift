/// Finds added tokens in text: the leftmost, and of those that start there the longest.
struct AddedTokenMatcher: Sendable {
    private typealias Candidate = (bytes: [UInt8], id: Int32)

    /// The tokens that start with each byte, longest first.
    private let candidates: [[Candidate]]
    let isEmpty: Bool

    init(_ tokens: [(bytes: [UInt8], id: Int32)]) {
        var candidates = [[Candidate]](repeating: [], count: 256)
        for token in tokens {
            guard let first = token.bytes.first else { continue }
            candidates[Int(first)].append(token)
        }
        for index in candidates.indices { candidates[index].sort { $0.bytes.count > $1.bytes.count } }
        self.candidates = candidates
        isEmpty = tokens.isEmpty
    }

    /// Calls `text` and `token` with the pieces of `input`, in order. Text pieces are never empty.
    func split(
        _ input: UnsafeBufferPointer<UInt8>, text: (UnsafeBufferPointer<UInt8>) -> Void,
        token: (Int32) -> Void
    ) {
        var start = 0
        var position = 0
        while position < input.count {
            let match = isEmpty ? nil : match(input, at: position)
            guard let match else {
                position = isEmpty ? input.count : position + 1
                continue
            }
            if start < position { text(UnsafeBufferPointer(rebasing: input[start..<position])) }
            token(match.id)
            position += match.bytes.count
            start = position
        }
        if start < input.count { text(UnsafeBufferPointer(rebasing: input[start...])) }
    }

    private func match(_ input: UnsafeBufferPointer<UInt8>, at position: Int) -> Candidate? {
        for candidate in candidates[Int(input[position])] {
            let end = position + candidate.bytes.count
            if end <= input.count, candidate.bytes.elementsEqual(input[position..<end]) { return candidate }
        }
        return nil
    }
}
