import Storage

/// Running statements.
extension Interpreter {
    func run(_ statements: [Statement], _ scope: Scope) throws(Failure) -> Ending {
        try descend()
        defer { ascend() }
        for statement in statements {
            try countStep()
            line = statement.line
            let ending = try run(statement, scope)
            if ending != .normal { return ending }
        }
        return .normal
    }

    private func run(_ statement: Statement, _ scope: Scope) throws(Failure) -> Ending {
        switch statement.kind {
        case .text(let text): try write(text)
        case .output(let expression): try write(try text(of: try evaluate(expression, scope)))
        case .branches(let branches, let otherwise):
            for branch in branches where truth(try evaluate(branch.test, scope)) {
                return try run(branch.body, scope)
            }
            return try run(otherwise, scope)
        case .loop(let loop): return try run(loop, scope)
        case .set(let target, let expression):
            try assign(try evaluate(expression, scope), to: target, scope)
        case .setBlock(let target, let filters, let body):
            return try setBlock(target, filters, body, scope)
        case .macro(let name, let macro):
            scope.set(name, try add(.macro(MacroClosure(macro, scope))))
        case .callBlock(let call, let macro):
            let caller = try add(.macro(MacroClosure(macro, scope)))
            try write(try text(of: try evaluate(call, scope, caller: caller)))
        case .filterBlock(let filters, let body):
            let (text, ending) = try captured(body, scope)
            if ending != .normal { return ending }
            try write(try self.text(of: try apply(filters, to: .string(text), scope)))
        case .with(let bindings, let body):
            let inner = Scope(in: scope)
            for (target, value) in bindings { try assign(try evaluate(value, scope), to: target, inner) }
            return try run(body, inner)
        case .block(let isScoped, let body):
            return try run(body, Scope(in: isScoped ? scope : root))
        case .generation(let body): return try run(body, Scope(in: scope))
        case .break: return .break
        case .continue: return .continue
        case .unavailable(let words): throw failure(words)
        }
        return .normal
    }

    private func captured(
        _ body: [Statement], _ scope: Scope
    ) throws(Failure) -> (text: MarkedText, ending: Ending) {
        try capture { () throws(Failure) in try run(body, Scope(in: scope)) }
    }

    private func setBlock(
        _ target: Target, _ filters: [Postfix], _ body: [Statement], _ scope: Scope
    ) throws(Failure) -> Ending {
        let (text, ending) = try captured(body, scope)
        if ending != .normal { return ending }
        try assign(try apply(filters, to: .string(text), scope), to: target, scope)
        return .normal
    }

    // MARK: Assigning

    func assign(_ value: Value, to target: Target, _ scope: Scope) throws(Failure) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .attribute(let name, let attribute): try assign(value, to: attribute, of: scope.find(name))
        case .tuple(let targets):
            let elements = try elements(of: value)
            guard elements.count == targets.count else {
                throw failure(
                    elements.count > targets.count
                        ? "too many values to unpack (expected \(targets.count))"
                        : "not enough values to unpack (expected \(targets.count), got \(elements.count))")
            }
            for (target, element) in zip(targets, elements) { try assign(element, to: target, scope) }
        }
    }

    private func assign(_ value: Value, to attribute: String, of owner: Value?) throws(Failure) {
        guard case .object(let number)? = owner, case .namespace(let namespace) = objects[number] else {
            throw failure("cannot assign attribute on non-namespace object")
        }
        try charge(elements: 1)
        try check(nameInNamespace: attribute)
        namespace.values.set(attribute, to: value)
    }

    func check(nameInNamespace name: String) throws(Failure) {
        if name.hasPrefix("_") {
            throw failure(
                "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '\(name)'."
            )
        }
    }

    // MARK: Loops

    private func run(_ loop: Loop, _ scope: Scope) throws(Failure) -> Ending {
        let iterable = try evaluate(loop.iterable, scope)
        if loop.isRecursive {
            try write(try recurse(loop, over: iterable, depth: 0, scope))
            return .normal
        }
        let state = LoopState(try cursor(over: iterable, loop, scope), depth: 0, recursion: nil)
        return try run(loop, state, scope)
    }

    /// What a recursive loop writes for some values.
    func recurse(_ loop: Loop, over iterable: Value, depth: Int, _ scope: Scope) throws(Failure) -> MarkedText
    {
        let state = LoopState(
            try cursor(over: iterable, loop, scope), depth: depth, recursion: (loop, scope))
        return try capture { () throws(Failure) in try run(loop, state, scope) }.text
    }

    /// The values that a loop goes over: with a condition, those that meet it when it is their turn.
    private func cursor(over iterable: Value, _ loop: Loop, _ scope: Scope) throws(Failure) -> Cursor {
        let cursor = try cursor(over: iterable)
        guard let condition = loop.condition else { return cursor }
        return .generator(
            Generator(cursor) { (interpreter, value) throws(Failure) in
                let inner = Scope(in: scope)
                try interpreter.assign(value, to: loop.target, inner)
                return interpreter.truth(try interpreter.evaluate(condition, inner)) ? value : nil
            })
    }

    private func run(_ loop: Loop, _ state: LoopState, _ scope: Scope) throws(Failure) -> Ending {
        let object = loop.isObserved ? try add(.loop(state)) : nil
        let number = loop.isObserved ? number(of: "loop") : nil
        // Jinja runs `else` where no turn came to its end, be it for `break` or `continue`.
        var wasCompleted = false
        while let value = try advance(state) {
            try countStep()
            let inner = Scope(in: scope)
            if let number, let object { inner.set(number, object) }
            try assign(value, to: loop.target, inner)
            let ending = try run(loop.body, inner)
            if ending == .break { break }
            if ending == .normal { wasCompleted = true }
        }
        if !wasCompleted, !loop.otherwise.isEmpty { return try run(loop.otherwise, Scope(in: scope)) }
        return .normal
    }

    /// The next value of a loop.
    private func advance(_ state: LoopState) throws(Failure) -> Value? {
        let next: Value?
        if let ahead = state.ahead {
            next = ahead
            state.ahead = nil
        } else {
            next = try self.next(&state.cursor)
        }
        guard let next else { return nil }
        state.index += 1
        state.previous = state.current
        state.current = next
        return next
    }

    // MARK: Rows of values

    /// The values that Python's `iter` gives.
    func cursor(over value: Value) throws(Failure) -> Cursor {
        if case .object(let number) = value, case .generator(let generator) = objects[number] {
            return .generator(generator)
        }
        return .elements(try elements(of: value), next: 0)
    }

    func next(_ cursor: inout Cursor) throws(Failure) -> Value? {
        switch cursor {
        case .elements(let elements, let next):
            guard next < elements.count else { return nil }
            cursor = .elements(elements, next: next + 1)
            return elements[next]
        case .generator(let generator): return try self.next(generator)
        case .failed(let failure): throw failure
        }
    }

    func next(_ generator: Generator) throws(Failure) -> Value? {
        try descend()
        defer { ascend() }
        while let value = try next(&generator.source) {
            try countStep()
            guard let step = generator.step else { return value }
            if let result = try step(self, value) { return result }
        }
        return nil
    }

    /// All values of something, or an error where it has none.
    func elements(of value: Value) throws(Failure) -> [Value] {
        switch value {
        case .undefined: return []
        case .list(let list): return list.elements
        case .dict(let dict):
            try charge(elements: dict.count)
            return dict.keys
        case .string(let text):
            try charge(text.bytes.count)
            try charge(elements: text.length)
            return text.characters.map(Value.string)
        case .object(let number):
            guard case .generator(let generator) = objects[number] else { break }
            var elements: [Value] = []
            while let value = try next(generator) {
                try charge(elements: 1)
                elements.append(value)
            }
            return elements
        default: break
        }
        throw failure("'\(typeName(value))' object is not iterable")
    }
}
