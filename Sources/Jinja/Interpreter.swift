import Storage

/// One rendering of a template: its variables, what it wrote, and what it used up.
final class Interpreter {
    let limits: Limits
    let clock: Clock
    private let template: Template
    /// The numbers of names with a meaning of their own.
    private let specialNames: [String: Int]
    /// The outermost variables.
    let root: Scope
    /// What was written since somebody began to listen.
    var output = MarkedText()
    /// What values refer to by number.
    private(set) var objects: [Object] = []
    /// The line that is being run.
    var line = 1
    private var steps = 0
    private var work = 0
    private var depth = 0
    /// The bytes written by the captures around the current one.
    private var writtenAround = 0

    /// How a body ended.
    enum Ending { case normal, `break`, `continue` }

    init(_ template: Template, _ globals: [String: Value], _ clock: Clock) {
        self.template = template
        self.clock = clock
        limits = template.limits
        var values: [Int: Value] = [:]
        var specialNames: [String: Int] = [:]
        for (number, name) in template.names.enumerated() {
            if Parser.specialNames.contains(name) { specialNames[name] = number }
            values[number] = globals[name] ?? Function(rawValue: name).map(Value.function)
        }
        self.specialNames = specialNames
        root = Scope(values)
    }

    func run() throws(Failure) -> MarkedText {
        _ = try run(template.statements, root)
        return output
    }

    func name(_ number: Int) -> String { template.names[number] }

    /// The number of a name with a meaning of its own; nil where the template does not mention it.
    func number(of specialName: String) -> Int? { specialNames[specialName] }

    // MARK: Limits

    func failure(_ message: String) -> Failure { .badInput(message, at: "line \(line)") }

    private func exceeded(_ what: String) -> Failure {
        Failure(.limit, "the template \(what)", at: "line \(line)")
    }

    @inline(__always) func countStep() throws(Failure) {
        steps += 1
        if steps > limits.steps { throw exceeded("takes more than \(limits.steps) steps") }
    }

    /// Counts bytes that are about to be made or walked over.
    @inline(__always) func charge(_ bytes: Int) throws(Failure) {
        let (sum, overflow) = work.addingReportingOverflow(bytes)
        work = sum
        if overflow || sum > limits.memory { throw exceeded("needs more than \(limits.memory) bytes") }
    }

    /// Counts something that is made several times.
    func charge(_ bytes: Int, times: Int) throws(Failure) {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: max(times, 0))
        try charge(overflow ? limits.memory &+ 1 : product)
    }

    func charge(elements: Int) throws(Failure) { try charge(Interpreter.elementSize, times: elements) }

    static let elementSize = 16

    /// Counts characters that are looked at one by one, which takes some ten times as long as copying them.
    func charge(characters: Int) throws(Failure) { try charge(10, times: characters) }

    @inline(__always) func descend() throws(Failure) {
        depth += 1
        if depth > limits.depth {
            depth -= 1
            throw exceeded("nests more than \(limits.depth) levels deep")
        }
    }

    @inline(__always) func ascend() { depth -= 1 }

    // MARK: Making values

    func list(_ elements: [Value], _ kind: List.Kind = .list) throws(Failure) -> Value {
        try charge(elements: elements.count)
        return try checked(.list(List(elements, kind)))
    }

    /// A value that is not nested too deep to be walked through.
    func checked(_ value: Value) throws(Failure) -> Value {
        if value.depth > limits.depth { throw exceeded("makes values of more than \(limits.depth) levels") }
        return value
    }

    func string(_ text: MarkedText) throws(Failure) -> Value {
        try charge(text.bytes.count)
        return .string(text)
    }

    func key(_ value: Value) throws(Failure) -> DictKey {
        guard let key = DictKey(value) else { throw failure("unhashable type: '\(typeName(value))'") }
        return key
    }

    func add(_ object: Object) throws(Failure) -> Value {
        try charge(elements: 8)
        objects.append(object)
        return .object(objects.count - 1)
    }

    func generator(_ source: Cursor, step: Generator.Step? = nil) throws(Failure) -> Value {
        try add(.generator(Generator(source, step: step)))
    }

    /// Runs what Python does only when a generator is asked for its first value: an error comes then, too.
    func deferred(_ make: () throws(Failure) -> Value) throws(Failure) -> Value {
        do throws(Failure) { return try make() } catch {
            guard error.kind == .badInput else { throw error }
            return try generator(.failed(error))
        }
    }

    func typeName(_ value: Value) -> String {
        if case .object(let number) = value { return objects[number].typeName }
        return value.typeName
    }

    // MARK: Writing

    func write(_ text: MarkedText) throws(Failure) {
        try charge(text.bytes.count)
        output.append(text)
        if writtenAround + output.bytes.count > limits.outputBytes {
            throw exceeded("writes more than \(limits.outputBytes) bytes")
        }
    }

    /// What a body writes, as a text of its own.
    func capture(_ body: () throws(Failure) -> Ending) throws(Failure) -> (text: MarkedText, ending: Ending) {
        let before = output
        output = MarkedText()
        writtenAround += before.bytes.count
        let ending = try body()
        writtenAround -= before.bytes.count
        defer { output = before }
        return (output, ending)
    }
}
