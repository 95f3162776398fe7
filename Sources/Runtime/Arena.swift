import Storage

/// Memory for activations: what the largest run so far needed.
final class Arena {
    private var memory: AnonymousMemory?

    /// At least `count` bytes, of any content.
    func bytes(_ count: Int) throws(Failure) -> UnsafeMutableRawPointer {
        if let memory, memory.count >= count { return memory.base }
        // The old goes first, so that there are never both.
        memory = nil
        let larger = try AnonymousMemory(count)
        memory = larger
        return larger.base
    }
}
