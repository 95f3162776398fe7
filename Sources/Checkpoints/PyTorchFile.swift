internal import Storage

/// A file of `torch.save`, as `pytorch_model.bin`: mapped, its pickle read without executing anything, no tensor read.
///
/// It is a zip file of stored entries: `<root>/data.pkl`, a pickle of a dictionary of tensors, and one entry
/// `<root>/data/<key>` for each storage that tensors show. Before PyTorch 1.6 it was pickles and storages one after the
/// other.
struct PyTorchFile {
    /// The whole file.
    let file: MappedFile
    /// In the order in which they lie in the file; several may show the same bytes.
    let tensors: [SourceTensor]
    /// What has a name, but is no tensor of a known type.
    let passedOver: [PassedOver]
    /// What the user should know.
    let warnings: [String]
    /// Everything in the zip file, to be checked when it is read.
    let records: [ZipRecord]

    /// Maps and checks the file at `path`.
    /// - Throws: `.io` when it cannot be opened, `.badInput` when it is not what plain tensors are saved as.
    init(_ path: String) throws(Failure) {
        file = try MappedFile(path)
        do {
            let archive: TorchArchive
            if try file.withBytes({ (bytes) throws(Failure) in bytes.starts(with: TorchArchive.legacyMagic) })
            {
                records = []
                archive = try TorchArchive(legacy: file)
            } else {
                try Self.checkFormat(file)
                let zip = try ZipArchive(file)
                records = Array(zip.entries.values)
                archive = try TorchArchive(zip)
            }
            (tensors, passedOver, warnings) = try Self.contents(of: archive)
        } catch {
            throw error.located(in: path)
        }
    }

    private static func contents(
        of archive: TorchArchive
    ) throws(Failure) -> (tensors: [SourceTensor], passedOver: [PassedOver], warnings: [String]) {
        let contents = archive.contents
        var tensors: [SourceTensor] = []
        var passedOver = contents.passedOver
        for (name, tensor) in contents.tensors {
            guard let type = tensor.type.type else {
                passedOver.append(PassedOver(name: name, kind: "a tensor of \(tensor.type.name)"))
                continue
            }
            do {
                tensors.append(try archive.resolve(tensor, type, name: name))
            } catch {
                throw error.placed(in: "tensor '\(name)'")
            }
        }
        // Names break ties between tensors that show the same bytes.
        tensors.sort {
            ($0.data.range.lowerBound, $0.data.range.upperBound, $0.name)
                < ($1.data.range.lowerBound, $1.data.range.upperBound, $1.name)
        }
        return (tensors, passedOver, contents.warnings)
    }

    /// Names the format of old that has the same extension and no reader.
    private static func checkFormat(_ file: MappedFile) throws(Failure) {
        let isTar = try file.withBytes { (bytes) throws(Failure) in
            bytes.count >= 262 && bytes[257..<262].elementsEqual("ustar".utf8)
        }
        guard !isTar else {
            throw .badInput(
                "is in the format that torch.save wrote before PyTorch 0.1.10, which is not supported",
                remedy: "load it with PyTorch and save it again")
        }
    }
}

/// What `torch.save` wrote: what the pickle makes, and the storages that it speaks of.
private struct TorchArchive {
    let contents: PickledContents
    /// The bytes of each storage by its key.
    private let storages: [String: MappedBytes]

    /// Takes the entries of a zip file by what is meant by them.
    init(_ archive: ZipArchive) throws(Failure) {
        let suffix = "/data.pkl"
        let pickles = archive.entries.keys.filter { $0.hasSuffix(suffix) }
        guard pickles.count == 1, let name = pickles.first, let pickle = archive.entries[name] else {
            throw .badInput(
                "is a zip file with \(pickles.count) entries named data.pkl; a file of torch.save has one")
        }
        try pickle.check()
        let root = name.dropLast(suffix.count)
        if let order = archive.entries["\(root)/byteorder"], !order.data.bytes.elementsEqual("little".utf8) {
            throw .badInput("says that numbers are not little-endian", at: "\(root)/byteorder")
        }
        let folder = "\(root)/data/"
        var storages: [String: MappedBytes] = [:]
        for (name, record) in archive.entries where name.hasPrefix(folder) {
            storages[String(name.dropFirst(folder.count))] = record.data
        }
        self.storages = storages
        do { contents = try Unpickler.contents(of: pickle.data) } catch {
            throw error.placed(in: pickle.name)
        }
    }

    /// A pickle of the number 0x1950a86a20f9469cfc6c.
    static let legacyMagic: [UInt8] = [
        0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
    ]

    /// Reads what was written before PyTorch 1.6: pickles of the magic number, the version, the machine, the dictionary
    /// and the keys of its storages, then each storage behind the number of its elements.
    init(legacy file: MappedFile) throws(Failure) {
        var offset = Self.legacyMagic.count
        func next() throws(Failure) -> (value: PickleValue, heap: PickleHeap) {
            let start = offset
            guard let rest = MappedBytes(file, start..<file.bytes.count) else {
                throw .badInput("is cut short")
            }
            do {
                let made = try Unpickler.first(in: rest)
                offset = start + made.length
                return (made.value, made.heap)
            } catch {
                throw error.placed(in: "the pickle at byte \(start)")
            }
        }
        guard case .int(1001) = try next().value else { throw .badInput("is of an unknown version") }
        let machine = try next()
        guard machine.heap.flag("little_endian", of: machine.value) == true else {
            throw .badInput("does not say that numbers are little-endian")
        }
        let dictionary = try next()
        contents = try dictionary.heap.contents(of: dictionary.value)
        let keys = try next()
        storages = try Self.storages(
            keys.heap.strings(of: keys.value), known: dictionary.heap.storages, file: file, from: offset)
    }

    private static func storages(
        _ keys: [String], known: [PickledStorage], file: MappedFile, from start: Int
    ) throws(Failure) -> [String: MappedBytes] {
        let widths = Dictionary(
            known.map { ($0.key, $0.type?.width ?? 1) }, uniquingKeysWith: { first, _ in first })
        guard let rest = MappedBytes(file, start..<file.bytes.count) else { throw .badInput("is cut short") }
        var cursor = ByteCursor(rest)
        var storages: [String: MappedBytes] = [:]
        for key in keys {
            do throws(Failure) {
                let count = try cursor.integer(Int64.self)
                guard let width = widths[key] else { throw .badInput("is in no tensor") }
                let (size, overflow) = Int(count).multipliedReportingOverflow(by: width)
                guard !overflow else { throw .badInput("claims \(count) elements") }
                storages[key] = try cursor.part(size).source
            } catch {
                throw error.placed(in: "storage '\(key)'")
            }
        }
        return storages
    }

    /// Finds the bytes of a tensor.
    func resolve(
        _ tensor: PickledTensor, _ type: ElementType, name: String
    ) throws(Failure) -> SourceTensor {
        let storage = tensor.storage
        guard let entry = storages[storage.key] else {
            throw .badInput("lies in storage '\(storage.key)', which is not in the file")
        }
        // A storage without a type counts bytes.
        let width = storage.type?.width ?? 1
        let capacity = entry.count / width
        guard storage.count >= 0, storage.count <= capacity else {
            throw .badInput(
                "storage '\(storage.key)' claims \(storage.count) elements, but has room for \(capacity)",
                remedy: "the file may be damaged")
        }
        guard let shape = Shape(checking: tensor.extents), let byteCount = shape.byteCount(type) else {
            throw .badInput("has the impossible shape \(tensor.extents)")
        }
        let count = storage.count * width / type.width
        guard tensor.offset >= 0, tensor.offset <= count, shape.count <= count - tensor.offset else {
            throw .badInput(
                "takes \(shape.count) elements from element \(tensor.offset) on, "
                    + "but storage '\(storage.key)' has \(count)")
        }
        try checkStrides(tensor, shape)
        let start = entry.range.lowerBound + tensor.offset * type.width
        guard let data = MappedBytes(entry.file, start..<start + byteCount) else {
            throw .badInput("lies outside the file")
        }
        return SourceTensor(name: name, type: type, shape: shape, data: data)
    }

    /// Elements must follow one another row by row. The stride of an extent of 1 is never used.
    private func checkStrides(_ tensor: PickledTensor, _ shape: Shape) throws(Failure) {
        guard shape.count > 0 else { return }
        var expected = shape.count
        for (extent, stride) in zip(tensor.extents, tensor.strides) {
            expected /= extent
            guard extent == 1 || stride == expected else {
                throw .badInput(
                    "is not contiguous: its shape is \(shape), its strides are \(tensor.strides)",
                    remedy: "save it again after calling contiguous() on it")
            }
        }
    }
}
