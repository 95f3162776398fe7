internal import GroupFormats
public import Storage

/// Writes a bundle as its tensors come, in memory independent of their size.
///
/// The file grows under the name `path.partial`; `finish` syncs it and gives it its name. A writer abandoned at any moment
/// leaves `path.partial` and `path.partial.journal` behind, from which a writer with the same fingerprint and plan goes
/// on. The bytes are the same whether or not a run was interrupted.
public final class BundleWriter {
    /// The tensors, in the order in which they must be written.
    public let plan: [TensorDescription]
    /// How many leading tensors are written, those of an interrupted run included: the next is `plan[completed]`.
    public var completed: Int { digests.count }

    /// Where the file gets its name, and what tells how far it grew; nil for one that has none.
    private let named: (place: OutputPath, journal: WriterJournal)?
    private let sources: [FileIdentity]
    private let layout: WeightsLayout
    private let output: OutputFile
    private var digests: [Digest]
    /// How many tensors the journal knows of.
    private var journaled: Int
    /// The sync that is under way, and how many tensors it covers.
    private var syncing: (tensors: Int, work: BackgroundWork)?
    /// Of the tensor that is being written.
    private var hash: SHA256?
    private var written = 0

    /// Bytes after which a sync begins in the background: a crash costs the work since the last that ended.
    private static let syncInterval = 16 << 20

    /// Begins a bundle, or goes on with an interrupted one.
    ///
    /// - Parameters:
    ///   - place: where the bundle goes; an existing file is replaced at the end and at once.
    ///   - fingerprint: everything that determines the bytes: sources with their digests, recipe, program version.
    ///   - plan: every tensor, in the order of execution.
    ///   - sources: the files that the tensors are made from: what was made of one that changed is not kept.
    /// - Throws: `.usage` when the place is taken by now; `.badInput` when the plan names a tensor twice; `.io` when the disk
    ///   is full, may not be written, or another process writes the same bundle.
    public init(
        _ place: OutputPath, fingerprint: JSON, plan: [TensorDescription], sources: [FileIdentity] = []
    ) throws(Failure) {
        self.plan = plan
        self.sources = sources
        layout = try WeightsLayout(plan)
        let journal = try WriterJournal(place)
        named = (place, journal)
        // Whoever had the lock before may have finished.
        try place.check()
        let identity = try Self.identity(fingerprint, plan)
        let claimed = Path.exists(place.partial) ? try journal.finished(fingerprint: identity) : []
        digests = try Self.intact(claimed, layout, place.partial)
        journaled = digests.count
        if digests.isEmpty {
            try Path.remove(place.partial)
            try journal.restart(fingerprint: identity)
            output = try OutputFile(creating: place.partial)
        } else {
            try journal.keep(fingerprint: identity, finished: digests)
            output = try OutputFile(resuming: place.partial)
        }
        // Whatever lies behind the finished tensors goes, so that padding is zero whatever happened before.
        let kept = digests.isEmpty ? 0 : Format.headerBytes + layout.ranges[digests.count - 1].upperBound
        try output.truncate(to: kept)
        try output.reserve(Format.headerBytes + layout.byteCount, keeping: kept)
    }

    /// Begins a bundle without a name, in the folder for temporary files: it goes with the last that has it mapped, however
    /// the program ends.
    /// - Throws: `.badInput` when the plan names a tensor twice; `.io` when there is no room.
    public init(temporary plan: [TensorDescription], sources: [FileIdentity]) throws(Failure) {
        self.plan = plan
        self.sources = sources
        layout = try WeightsLayout(plan)
        named = nil
        (digests, journaled) = ([], 0)
        output = try OutputFile()
        try output.reserve(Format.headerBytes + layout.byteCount, keeping: 0)
    }

    /// What messages call it.
    private var name: String { named?.place.path ?? TemporaryFile.directory }

    /// Abandoned in good order, as by an interrupt or an error, a writer keeps all that it finished.
    deinit { try? checkpoint() }

    /// Adds bytes to the tensor `plan[index]`. Tensors are written in order, each in as many pieces as suits the caller.
    ///
    /// - Throws: `.mismatch` when `index` is not the tensor that is due or the bytes are more than it takes; `.io` when the
    ///   disk is full.
    public func append(_ bytes: UnsafeRawBufferPointer, to index: Int) throws(Failure) {
        try checkDue(bytes.count, of: index)
        try place(bytes, of: index, at: written)
        try accept(bytes, of: index)
    }

    /// Writes bytes where they belong, `offset` bytes from the beginning of the tensor `plan[index]`: of any tensor that is not
    /// finished, in any order, by several threads at once. They count once they are accepted.
    /// - Throws: `.mismatch` when they are more than it takes; `.io` when the disk is full.
    public func place(_ bytes: UnsafeRawBufferPointer, of index: Int, at offset: Int) throws(Failure) {
        guard bytes.count <= plan[index].byteCount - offset else { throw excess(offset + bytes.count, index) }
        try output.write(bytes, at: Format.headerBytes + layout.ranges[index].lowerBound + offset)
    }

    /// Takes bytes that were placed as the next of the tensor `plan[index]`: in order, one call at a time.
    /// - Throws: `.mismatch` as `append`; `.io` when a source changed, or earlier tensors do not reach the disk.
    public func accept(_ bytes: UnsafeRawBufferPointer, of index: Int) throws(Failure) {
        try checkDue(bytes.count, of: index)
        if hash == nil { hash = try SHA256() }
        hash?.update(bytes)
        written += bytes.count
        if written == plan[index].byteCount { try completeTensor() }
    }

    private func checkDue(_ count: Int, of index: Int) throws(Failure) {
        guard index == completed, index < plan.count else {
            throw Failure(
                .mismatch, "tensor \(index) was written when \(completed) was due", file: name)
        }
        guard count <= plan[index].byteCount - written else { throw excess(written + count, index) }
    }

    private func excess(_ count: Int, _ index: Int) -> Failure {
        Failure(
            .mismatch, "\(count) bytes written, but it takes \(plan[index].byteCount)", file: name,
            at: "tensor '\(plan[index].name)'")
    }

    /// The bytes of a tensor that is complete, those of an interrupted run included.
    public func written(_ index: Int) throws(Failure) -> MappedBytes {
        precondition(index < completed)
        let start = Format.headerBytes + layout.ranges[index].lowerBound
        guard
            let bytes = MappedBytes(
                try MappedFile(output.path), start..<Format.headerBytes + layout.ranges[index].upperBound)
        else { throw .badInput("is shorter than what was written to it", file: output.path) }
        return bytes
    }

    /// Adds an array to the tensor `plan[index]`.
    public func append(_ bytes: [UInt8], to index: Int) throws(Failure) {
        try bytes.withBytes { (buffer) throws(Failure) in try append(buffer, to: index) }
    }

    /// Makes sure that every finished tensor outlives a crash. Begun now and then by itself.
    /// - Throws: `.io` when a source changed, or what was written does not reach the disk.
    public func checkpoint() throws(Failure) {
        try endSync()
        guard let journal = named?.journal, journaled < digests.count else { return }
        try Self.sync(output, of: sources, digests[journaled...], in: journal)
        journaled = digests.count
    }

    /// The journal must not promise what is not on the disk, or was not made of the sources that are named.
    private static func sync(
        _ output: OutputFile, of sources: [FileIdentity], _ digests: ArraySlice<Digest>,
        in journal: WriterJournal
    ) throws(Failure) {
        for source in sources { try source.checkUnchanged() }
        try output.sync()
        try journal.append(digests)
    }

    /// Begins to make sure of what is finished, while more is written.
    private func beginSync() throws(Failure) {
        guard let journal = named?.journal else { return }
        let work = BackgroundWork { [output, sources, finished = digests[journaled...]] () throws(Failure) in
            try Self.sync(output, of: sources, finished, in: journal)
        }
        guard let work else { return try checkpoint() }
        syncing = (completed, work)
    }

    /// Waits for the sync that is under way.
    private func endSync() throws(Failure) {
        guard let (tensors, work) = syncing.take() else { return }
        try work.wait()
        journaled = tensors
    }

    private func completeTensor() throws(Failure) {
        guard let digest = hash.take()?.finish() else { return }
        digests.append(digest)
        written = 0
        if let syncing, syncing.work.isDone { try endSync() }
        let unsynced = layout.ranges[completed - 1].upperBound - layout.ranges[journaled].lowerBound
        if syncing == nil, unsynced >= Self.syncInterval { try beginSync() }
    }
}

extension BundleWriter {
    /// Writes everything but the weights, and gives the file its name.
    ///
    /// - Parameters:
    ///   - graph: the graphs, as `GraphIR` writes them.
    ///   - metadata: everything else about the model.
    ///   - tokenizer: the tokenizer section.
    ///   - carried: sections that are only carried along, each of another code.
    /// - Returns: the root digest.
    /// - Throws: `.mismatch` when a tensor is missing, or bytes that are carried are damaged; `.limit` when a section is larger than
    ///   a bundle may hold; `.io`.
    @discardableResult
    public func finish(
        graph: JSON, metadata: JSON, tokenizer: [UInt8], carrying carried: [CarriedSection] = []
    ) throws(Failure) -> Digest {
        guard completed == plan.count else {
            throw Failure(
                .mismatch, "was not written", file: name,
                at: "tensor '\(plan[completed].name)'")
        }
        try checkpoint()
        for source in sources { try source.checkUnchanged() }
        let directory = TensorDirectory(plan, layout: layout, digests: digests)
        var sections = [
            Section(
                code: SectionKind.weights.code, codec: .raw,
                range: Format.headerBytes..<Format.headerBytes + layout.byteCount,
                decodedCount: layout.byteCount,
                digest: try directory.digest())
        ]
        let contents: [(kind: SectionKind, bytes: [UInt8])] = [
            (.graph, Array(graph.serialized().utf8)), (.metadata, Array(metadata.serialized().utf8)),
            (.tokenizer, tokenizer), (.directory, Array(directory.json.serialized().utf8)),
        ]
        for content in contents { sections.append(try write(content.kind, content.bytes, behind: sections)) }
        for section in carried { sections.append(try write(section, behind: sections)) }
        let header = Header(
            features: Features(plan), fileLength: sections.last?.range.upperBound ?? Format.headerBytes,
            sections: sections, root: try Header.root(of: sections))
        try output.write(try header.encoded(), at: 0)
        if let named { try publish(named.place, named.journal) }
        return header.root
    }

    /// The bundle that was finished, which need not have a name.
    /// - Parameter name: what it is called.
    public func bundle(called name: String) throws(Failure) -> Bundle {
        try Bundle(named?.place.path ?? output.path, called: name)
    }

    private func write(
        _ kind: SectionKind, _ content: [UInt8], behind sections: [Section]
    ) throws(Failure) -> Section {
        guard content.count <= kind.limit else {
            throw Failure(
                .limit, "has \(content.count) bytes, more than the \(kind.limit) allowed", file: name,
                at: "section \(kind.code)")
        }
        let start = try start(behind: sections)
        let stored = try Zstd.compress(content)
        try output.write(stored, at: start)
        return Section(
            code: kind.code, codec: .zstd, range: start..<start + stored.count, decodedCount: content.count,
            digest: try SHA256.digest(stored))
    }

    private func write(_ carried: CarriedSection, behind sections: [Section]) throws(Failure) -> Section {
        let start = try start(behind: sections)
        var hash = try SHA256()
        var end = start
        for part in carried.parts {
            try part.withBytes { (bytes) throws(Failure) in
                hash.update(bytes)
                try output.write(bytes, at: end)
                end += bytes.count
            }
        }
        let digest = hash.finish()
        guard carried.digest == nil || carried.digest == digest else {
            throw Failure(.mismatch, "is corrupt where it is copied from", at: "section \(carried.code)")
        }
        return Section(
            code: carried.code, codec: carried.codec, range: start..<end, decodedCount: carried.decodedCount,
            digest: digest)
    }

    private func start(behind sections: [Section]) throws(Failure) -> Int {
        guard let start = Format.aligned(sections.last?.range.upperBound ?? 0) else {
            throw Failure(.limit, "the file is too large to address", file: name)
        }
        return start
    }

    /// Renames the complete file, once a reader accepts it.
    private func publish(_ place: OutputPath, _ journal: WriterJournal) throws(Failure) {
        try output.sync()
        let written = try Bundle(output.path)
        _ = try (written.graphJSON, written.metadata)
        try place.check()
        try output.rename(to: place.path)
        journal.remove()
    }

    /// What a partial file must agree on to be gone on with.
    private static func identity(_ fingerprint: JSON, _ plan: [TensorDescription]) throws(Failure) -> Digest {
        let tensors = plan.map { tensor in
            JSON.array([
                .string(tensor.name), .array(tensor.shape.extents.map { .int($0) }),
                .string(tensor.encoding.description), .array(tensor.sources.map { .string($0) }),
                .string(tensor.note),
            ])
        }
        let whole = JSON.array([.int(Int(Format.version)), fingerprint, .array(tensors)])
        return try SHA256.digest(Array(whole.serialized().utf8))
    }

    /// The leading digests that the partial file really has, padding included.
    private static func intact(
        _ claimed: [Digest], _ layout: WeightsLayout, _ partial: String
    ) throws(Failure) -> [Digest] {
        guard !claimed.isEmpty else { return [] }
        let file = try MappedFile(partial)
        var end = Format.headerBytes
        for (index, digest) in claimed.enumerated() {
            guard index < layout.ranges.count else { return Array(claimed[..<index]) }
            let start = Format.headerBytes + layout.ranges[index].lowerBound
            let next = Format.headerBytes + layout.ranges[index].upperBound
            guard next <= file.bytes.count, file.bytes[end..<start].allSatisfy({ $0 == 0 }),
                try file.digest(of: start..<next) == digest
            else { return Array(claimed[..<index]) }
            end = next
        }
        return claimed
    }
}
