import Glibc
import Storage
import Testing

@testable import Bundles
@testable import Runtime

/// An arena whose buffers lie apart, with guards between them, and hold rubbish before they are written. Under the address
/// sanitizer guards may not even be read; without it, what was written there is seen afterwards.
final class GuardedArena: Arena {
    private static let guardBytes = 1024
    private static let rubbish: UInt8 = 0xFF

    private var memory: AnonymousMemory?
    private var guards: [Range<Int>] = []
    /// The largest run allowed: a mutant may ask for more than a test should take.
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    override func room(
        for plan: Plan, _ extents: Extents, inBlocks: Bool
    ) throws(Failure) -> (ArenaLayout, UnsafeMutableRawPointer) {
        let layout = try ArenaLayout(plan, extents, inBlocks: inBlocks)
        guard layout.count <= limit else { throw Failure(.limit, "more than this test takes") }
        layout.expectNoOverlaps(plan, extents, inBlocks: inBlocks)
        release()
        var apart = layout
        var end = Self.guardBytes
        guards = [0..<end]
        for (index, buffer) in plan.buffers.enumerated() {
            // A guard begins where a buffer's own bytes end, not where the next cache line does.
            let own = inBlocks ? plan.blockExtents(of: index, extents) : extents
            guard let size = try buffer.byteCount(own), let exact = try buffer.exactCount(own) else {
                continue
            }
            apart.offsets[index] = end
            let next = end + size + Self.guardBytes
            guards.append(end + exact..<next)
            end = next
        }
        apart.count = end
        let memory = try AnonymousMemory(end)
        memset(memory.base, Int32(Self.rubbish), end)
        for range in guards { Sanitizer.poison?(memory.base + range.lowerBound, range.count) }
        self.memory = memory
        return (apart, memory.base)
    }

    /// Gives the memory back, after a look at the guards.
    override func release() {
        guard let memory else { return }
        for range in guards {
            Sanitizer.unpoison?(memory.base + range.lowerBound, range.count)
            let bytes = UnsafeRawBufferPointer(start: memory.base + range.lowerBound, count: range.count)
            if bytes.contains(where: { $0 != Self.rubbish }) { Issue.record("a guard was overwritten") }
        }
        self.memory = nil
    }

    deinit { release() }
}

extension ArenaLayout {
    /// Two buffers that are alive at the same step never share a byte.
    func expectNoOverlaps(_ plan: Plan, _ extents: Extents, inBlocks: Bool = true) {
        var placed: [(range: Range<Int>, live: ClosedRange<Int>)] = []
        for (index, buffer) in plan.buffers.enumerated() where offsets[index] >= 0 {
            let own = inBlocks ? plan.blockExtents(of: index, extents) : extents
            guard let size = try? buffer.byteCount(own) else { continue }
            let range = offsets[index]..<offsets[index] + size
            if range.upperBound > count { Issue.record("buffer \(index) leaves the arena") }
            for other in placed where other.live.overlaps(buffer.live) && other.range.overlaps(range) {
                Issue.record("buffer \(index) overlaps another")
            }
            placed.append((range, buffer.live))
        }
    }
}

extension Plan.Buffer {
    /// The bytes that steps may touch.
    fileprivate func exactCount(_ extents: Extents) throws(Failure) -> Int? {
        switch kind {
        case .input: nil
        case .floats(let width): extents(rows) * copies * width * 4
        case .activations, .keyTiles: try byteCount(extents)
        }
    }
}

/// What the address sanitizer offers, where the tests run under it.
private enum Sanitizer {
    typealias Call = @convention(c) (UnsafeRawPointer, Int) -> Void

    static let poison = function("__asan_poison_memory_region")
    static let unpoison = function("__asan_unpoison_memory_region")

    private static func function(_ name: String) -> Call? {
        dlsym(nil, name).map { unsafeBitCast($0, to: Call.self) }
    }
}

/// The weights of a bundle, each in memory of its own that ends where it ends, so that the sanitizer sees what is read beyond it.
final class OwnedWeights {
    private var lent: [String: LentWeight] = [:]

    /// Memory that is given back with the last weight in it.
    private final class Owner {
        let bytes: UnsafeMutableRawBufferPointer
        init(_ source: UnsafeRawBufferPointer) {
            bytes = .allocate(byteCount: source.count, alignment: 64)
            bytes.copyMemory(from: source)
        }
        deinit { bytes.deallocate() }
    }

    init(_ bundle: Bundle) {
        for tensor in bundle.tensors {
            let owner = Owner(bundle.bytes(of: tensor).bytes)
            lent[tensor.name] = LentWeight(
                tensor.encoding, tensor.shape, UnsafeRawBufferPointer(owner.bytes), owner: owner)
        }
    }

    subscript(_ name: String) -> LentWeight? { lent[name] }
}
