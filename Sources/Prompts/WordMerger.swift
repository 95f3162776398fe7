/// Merges the bytes of one word into tokens; reused from word to word so that nothing is allocated for each.
///
/// The word is a linked list of tokens. Every neighbouring pair that merges waits in a heap, ordered by rank and then by
/// position, so that a word of n bytes takes n log n steps however long it is.
struct WordMerger {
    private static let none = UInt32.max

    private struct Node {
        var token: UInt32
        var previous: Int
        var next: Int
        /// Rank and result of the merge with the next node; `none` when they don't merge or this node is gone.
        var rank: UInt32
        var result: UInt32
    }

    private var nodes: [Node] = []
    /// A binary heap, least first, of `rank << 32 | node`. Entries that no longer match their node are skipped.
    private var heap: [UInt64] = []

    /// Appends the tokens of `word` to `output`. Bytes without a token are dropped, as the reference does.
    mutating func merge(
        _ word: UnsafeBufferPointer<UInt8>, by tokenizer: Tokenizer, into output: inout [Int32]
    ) {
        nodes.removeAll(keepingCapacity: true)
        heap.removeAll(keepingCapacity: true)
        for byte in word {
            let token = tokenizer.byteTokens[Int(byte)]
            guard token >= 0 else { continue }
            let index = nodes.count
            nodes.append(
                Node(token: UInt32(token), previous: index - 1, next: index + 1, rank: Self.none, result: 0))
        }
        for index in nodes.indices { findMerge(at: index, in: tokenizer.merges) }
        while let entry = pop() {
            let index = Int(entry & 0xFFFF_FFFF)
            if nodes[index].rank == UInt32(entry >> 32) { applyMerge(at: index, in: tokenizer.merges) }
        }
        var index = 0
        while index < nodes.count {
            output.append(Int32(nodes[index].token))
            index = nodes[index].next
        }
    }

    /// Looks up the merge of a node with the next one and queues it.
    private mutating func findMerge(at index: Int, in table: MergeTable) {
        let next = nodes[index].next
        guard next < nodes.count, let merge = table.merge(nodes[index].token, nodes[next].token) else {
            nodes[index].rank = Self.none
            return
        }
        nodes[index].rank = merge.rank
        nodes[index].result = merge.result
        push(UInt64(merge.rank) << 32 | UInt64(index))
    }

    private mutating func applyMerge(at index: Int, in table: MergeTable) {
        let gone = nodes[index].next
        let next = nodes[gone].next
        nodes[index].token = nodes[index].result
        nodes[index].next = next
        nodes[gone].rank = Self.none
        if next < nodes.count { nodes[next].previous = index }
        findMerge(at: index, in: table)
        if nodes[index].previous >= 0 { findMerge(at: nodes[index].previous, in: table) }
    }

    private mutating func push(_ entry: UInt64) {
        var index = heap.count
        heap.append(entry)
        while index > 0, heap[(index - 1) / 2] > entry {
            heap[index] = heap[(index - 1) / 2]
            index = (index - 1) / 2
        }
        heap[index] = entry
    }

    private mutating func pop() -> UInt64? {
        guard let least = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return least }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < last else { break }
            heap[index] = heap[child]
            index = child
        }
        heap[index] = last
        return least
    }
}
