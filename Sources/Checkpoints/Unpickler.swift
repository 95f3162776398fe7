internal import Storage

/// Reads the pickle of a checkpoint without executing anything.
///
/// A pickle is a program for a stack machine that may call any function. This one knows the instructions and names that
/// dictionaries of tensors are written with, does itself what they stand for, and refuses everything else by its name.
struct Unpickler {
    /// The longest pickle accepted, in bytes; one of a thousand tensors has about a hundred thousand.
    static let byteLimit = 32 << 20
    /// The most values on the stack.
    static let stackLimit = 1 << 16
    /// The most open marks: how deeply a pickle may nest while it is read.
    static let markLimit = 256
    /// The most values remembered.
    static let memoLimit = 1 << 21
    /// The longest string, in bytes.
    static let stringLimit = 4096

    private var cursor: ByteCursor
    private var heap = PickleHeap()
    private var stack: [PickleValue] = []
    /// The heights of the stack at which marks were set.
    private var marks: [Int] = []
    private var memo: [UInt32: PickleValue] = [:]

    private init(_ pickle: MappedBytes) { cursor = ByteCursor(pickle) }

    /// What the dictionary that `pickle` makes holds, in its order.
    /// - Throws: `.badInput`, with the byte of the instruction as the place.
    static func contents(of pickle: MappedBytes) throws(Failure) -> PickledContents {
        guard pickle.count <= byteLimit else {
            throw .badInput("has \(pickle.count) bytes, more than the \(byteLimit) allowed")
        }
        let made = try first(in: pickle)
        return try made.heap.contents(of: made.value)
    }

    /// What the pickle at the start of `bytes` makes, and how many of them it takes.
    static func first(
        in bytes: MappedBytes
    ) throws(Failure) -> (value: PickleValue, heap: PickleHeap, length: Int) {
        let start = bytes.range.lowerBound
        guard let reach = MappedBytes(bytes.file, start..<start + min(bytes.count, byteLimit)) else {
            throw .badInput("lies outside the file")
        }
        var machine = Unpickler(reach)
        let value = try machine.run()
        return (value, machine.heap, machine.cursor.offset)
    }

    private mutating func run() throws(Failure) -> PickleValue {
        while true {
            let position = cursor.offset
            do throws(Failure) {
                let byte: UInt8 = try cursor.integer()
                guard let opcode = PickleOpcode(rawValue: byte) else {
                    throw .badInput(
                        "uses the instruction \(PickleOpcode.refusedName(byte)), which no checkpoint needs")
                }
                if opcode == .stop { return try result() }
                try follow(opcode)
            } catch {
                throw error.placed(in: "byte \(position)")
            }
        }
    }

    private func result() throws(Failure) -> PickleValue {
        guard stack.count == 1, marks.isEmpty, let result = stack.first else {
            throw .badInput("ends with \(stack.count) values on the stack")
        }
        return result
    }

    private mutating func follow(_ opcode: PickleOpcode) throws(Failure) {
        switch opcode {
        case .proto: try checkProtocol()
        case .stop: break
        case .mark: try setMark()
        case .none: try push(.none)
        case .newTrue: try push(.bool(true))
        case .newFalse: try push(.bool(false))
        case .binInt: try push(.int(Int(try cursor.integer(Int32.self))))
        case .binInt1: try push(.int(Int(try cursor.integer(UInt8.self))))
        case .binInt2: try push(.int(Int(try cursor.integer(UInt16.self))))
        case .long1: try push(.int(try longInteger()))
        case .binFloat:
            _ = try cursor.integer(UInt64.self)
            try push(.float)
        case .shortBinBytes:
            try cursor.skip(Int(try cursor.integer(UInt8.self)))
            try push(.bytes)
        case .binBytes:
            try cursor.skip(Int(try cursor.integer(UInt32.self)))
            try push(.bytes)
        case .shortBinUnicode: try push(.string(try string(UInt64(try cursor.integer(UInt8.self)))))
        case .binUnicode: try push(.string(try string(UInt64(try cursor.integer(UInt32.self)))))
        case .binUnicode8: try push(.string(try string(try cursor.integer())))
        case .global:
            let module = try cursor.line(limit: 256)
            try push(.global(try global(module, try cursor.line(limit: 256))))
        case .stackGlobal:
            guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
                throw .badInput("refers to something by other values than two strings")
            }
            try push(.global(try global(module, name)))
        // The next bytes that belong together: said for those who read a stream.
        case .frame: _ = try cursor.integer(UInt64.self)
        case .memoize: try remember(UInt32(memo.count))
        case .emptyTuple: try push(heap.tuple([]))
        case .tuple1: try pushTuple(1)
        case .tuple2: try pushTuple(2)
        case .tuple3: try pushTuple(3)
        case .tuple:
            let elements = try popToMark()
            try push(heap.tuple(elements))
        case .emptyList: try push(heap.list())
        case .append: try extendList([try pop()])
        case .appends: try extendList(try popToMark())
        case .emptyDict: try push(heap.dictionary())
        case .setItem:
            let value = try pop()
            try extendDictionary([try pop(), value])
        case .setItems: try extendDictionary(try popToMark())
        case .binPut: try remember(UInt32(try cursor.integer(UInt8.self)))
        case .longBinPut: try remember(try cursor.integer())
        case .binGet: try recall(UInt32(try cursor.integer(UInt8.self)))
        case .longBinGet: try recall(try cursor.integer())
        case .binPersid:
            let identifier = try pop()
            try push(heap.storage(identifiedBy: identifier))
        case .reduce:
            let arguments = try pop()
            let function = try pop()
            try push(heap.call(function, arguments))
        case .build: try setState()
        }
    }
}

// The stack and the memo.
extension Unpickler {
    private mutating func push(_ value: PickleValue) throws(Failure) {
        guard stack.count < Self.stackLimit else {
            throw .badInput("puts more than \(Self.stackLimit) values on the stack")
        }
        stack.append(value)
    }

    /// The value on top; those below a mark are out of reach.
    private func top() throws(Failure) -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.last else {
            throw .badInput("needs a value that is not on the stack")
        }
        return value
    }

    private mutating func pop() throws(Failure) -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func setMark() throws(Failure) {
        guard marks.count < Self.markLimit else {
            throw .badInput("nests more than \(Self.markLimit) deep")
        }
        marks.append(stack.count)
    }

    private mutating func popToMark() throws(Failure) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw .badInput("needs a mark that was not set") }
        let values = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return values
    }

    private mutating func remember(_ index: UInt32) throws(Failure) {
        memo[index] = try top()
        guard memo.count <= Self.memoLimit else {
            throw .badInput("remembers more than \(Self.memoLimit) values")
        }
    }

    private mutating func recall(_ index: UInt32) throws(Failure) {
        guard let value = memo[index] else { throw .badInput("recalls value \(index), which is not there") }
        try push(value)
    }
}

// What the instructions do.
extension Unpickler {
    private mutating func checkProtocol() throws(Failure) {
        let version: UInt8 = try cursor.integer()
        guard (2...5).contains(version) else {
            throw .badInput("is a pickle of protocol \(version), which is not supported")
        }
    }

    private mutating func longInteger() throws(Failure) -> Int {
        let count = Int(try cursor.integer(UInt8.self))
        guard count <= 8 else { throw .badInput("holds an integer of \(count) bytes, more than 8") }
        var value = 0
        for index in 0..<count { value |= Int(try cursor.integer(UInt8.self)) << (8 * index) }
        // Two's complement: the highest bit that is there is the sign.
        let unused = 64 - 8 * count
        return count == 0 ? 0 : (value << unused) >> unused
    }

    private mutating func string(_ length: UInt64) throws(Failure) -> String {
        guard length <= UInt64(Self.stringLimit) else {
            throw .badInput("holds a string of \(length) bytes, more than the \(Self.stringLimit) allowed")
        }
        return try cursor.text(Int(length))
    }

    private func global(_ module: String, _ name: String) throws(Failure) -> PickleGlobal {
        let name = "\(module).\(name)"
        guard let global = PickleGlobal(name: name) else {
            if PickleGlobal.isTensorKind(name) {
                throw .badInput(
                    "refers to '\(name)', a kind of tensor that only its own program reads",
                    remedy: "save plain tensors: of quantized ones, dequantize first")
            }
            throw .badInput(
                "refers to '\(name)', which no checkpoint of plain tensors needs; nothing of it was executed",
                remedy: "use the file only if you trust its source, and save its state_dict alone")
        }
        return global
    }

    private mutating func pushTuple(_ count: Int) throws(Failure) {
        var elements: [PickleValue] = []
        for _ in 0..<count { elements.append(try pop()) }
        try push(heap.tuple(elements.reversed()))
    }

    private mutating func extendList(_ elements: [PickleValue]) throws(Failure) {
        guard case .list(let list) = try top() else {
            throw .badInput("adds elements to \(try top().kind) instead of a list")
        }
        try heap.append(elements, toList: list)
    }

    private mutating func extendDictionary(_ items: [PickleValue]) throws(Failure) {
        guard case .dictionary(let dictionary) = try top() else {
            throw .badInput("adds items to \(try top().kind) instead of a dictionary")
        }
        try heap.append(items, toDictionary: dictionary)
    }

    /// Attributes of the dictionary, such as the `_metadata` of a module's state: they say nothing about tensors.
    private mutating func setState() throws(Failure) {
        guard case .dictionary = try pop() else { throw .badInput("sets a state that is no dictionary") }
        guard case .dictionary = try top() else {
            throw .badInput("sets the state of \(try top().kind) instead of a dictionary")
        }
    }
}
