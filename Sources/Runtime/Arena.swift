import Glibc
import Storage

/// Memory for activations: what the largest run so far needed. Runners that run one after the other can share it.
public class Arena {
    private var memory: AnonymousMemory?

    /// None yet.
    public init() {}

    /// Where a plan's buffers lie, and the memory that they lie in, of any content.
    /// - Throws: `limit` when the machine has not so much.
    func room(
        for plan: Plan, _ extents: Extents, inBlocks: Bool
    ) throws(Failure) -> (ArenaLayout, UnsafeMutableRawPointer) {
        let layout = try ArenaLayout(plan, extents, inBlocks: inBlocks)
        if let memory, memory.count >= layout.count { return (layout, memory.base) }
        // The system would promise more than it has, and end the process when that is used.
        guard layout.count <= Arena.machineMemory else {
            throw Failure(
                .limit,
                "activations of \(layout.count) bytes are more than this machine's memory of \(Arena.machineMemory)",
                remedy: "give fewer or smaller pictures, or a smaller --chunk")
        }
        // The old goes first, so that there are never both.
        memory = nil
        let larger = try AnonymousMemory(layout.count)
        memory = larger
        return (layout, larger.base)
    }

    /// Gives the memory back.
    func release() { memory = nil }

    private static let machineMemory =
        max(0, sysconf(Int32(_SC_PHYS_PAGES))) * max(0, sysconf(Int32(_SC_PAGESIZE)))
}
