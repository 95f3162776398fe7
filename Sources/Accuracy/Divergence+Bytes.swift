public import Storage

/// A comparison in a file: what was compared is the same after reading, to the bit.
///
/// `TSRDIV01`, the number of positions (8 bytes), then 48 bytes each: divergence, reverse, the two losses (−1 where not known), the
/// two tops (−1 for none), the place, and whose row is not finite (0 nobody's, 1 base, 2 other, 3 both). Little-endian.
extension Divergence {
    private static let name = Array("TSRDIV01".utf8)
    private static let sides: [NonFinite.Side?] = [nil, .base, .other, .both]

    /// All positions.
    public var bytes: [UInt8] {
        var bytes = Divergence.name
        bytes.reserveCapacity(16 + count * Position.byteCount)
        func add(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        add(UInt64(count))
        for position in positions {
            for value in [
                position.divergence, position.reverse, position.losses.base, position.losses.other,
            ] { add(value.bitPattern) }
            add(position.tops.base)
            add(position.tops.other)
            add(Int32(clamping: position.place))
            add(Int32(Divergence.sides.firstIndex(of: position.nonFinite) ?? 0))
        }
        return bytes
    }

    /// Reads what ``bytes`` wrote.
    /// - Throws: `badInput` for anything else, naming the first position that cannot be.
    public init(bytes: some RandomAccessCollection<UInt8>) throws(Failure) {
        let bytes = Array(bytes)
        guard bytes.count >= 16, bytes.prefix(8).elementsEqual(Divergence.name) else {
            throw .badInput("is no comparison of logits")
        }
        let count = Divergence.read(bytes, 8, UInt64.self)
        guard (bytes.count - 16) % Position.byteCount == 0,
            count == UInt64((bytes.count - 16) / Position.byteCount)
        else { throw .badInput("says \(count) positions, and has \(bytes.count) bytes") }
        var positions: [Position] = []
        positions.reserveCapacity(Int(count))
        for start in stride(from: 16, to: bytes.count, by: Position.byteCount) {
            guard let position = Divergence.position(bytes, start) else {
                throw .badInput("holds values that no comparison has", at: "position \(positions.count)")
            }
            positions.append(position)
        }
        self.init(positions)
    }

    private static func read<T: FixedWidthInteger>(_ bytes: [UInt8], _ offset: Int, _ type: T.Type) -> T {
        bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
    }

    private static func position(_ bytes: [UInt8], _ start: Int) -> Position? {
        let numbers = (0..<4).map { Double(bitPattern: read(bytes, start + 8 * $0, UInt64.self)) }
        let integers = (0..<4).map { read(bytes, start + 32 + 4 * $0, Int32.self) }
        guard integers[2] >= 0, sides.indices.contains(Int(integers[3])), integers[0] >= -1, integers[1] >= -1
        else { return nil }
        var position = Position(place: Int(integers[2]))
        (position.divergence, position.reverse) = (numbers[0], numbers[1])
        position.losses = (numbers[2], numbers[3])
        position.tops = (integers[0], integers[1])
        position.nonFinite = sides[Int(integers[3])]
        return position.isPossible ? position : nil
    }
}

extension Divergence.Position {
    fileprivate static let byteCount = 48

    /// Whether a comparison can have found this.
    fileprivate var isPossible: Bool {
        let isFinite = divergence.isFinite && reverse.isFinite && tops.base >= 0 && tops.other >= 0
        let areInfinite = divergence == .infinity && reverse == .infinity
        let losesNothing = losses.base == -1 && losses.other == -1
        return (nonFinite == nil ? isFinite && divergence >= 0 && reverse >= 0 : areInfinite)
            && (losesNothing || (losses.base >= 0 && losses.other >= 0))
            && (nonFinite != .base || tops.other >= 0) && (nonFinite != .other || tops.base >= 0)
    }
}
