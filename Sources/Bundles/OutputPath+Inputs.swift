internal import Glibc
public import Storage

extension OutputPath {
    /// Every file in a folder that a command reads from, but for bundles: one of these is no input unless it is named.
    /// - Parameter depth: how many levels of folders within it are looked into.
    public static func inputs(in folder: String, depth: Int = 0) -> [String] {
        var inputs: [String] = []
        for name in (try? Path.list(folder)) ?? [] {
            let path = Path.join(folder, name)
            if Path.isDirectory(path) {
                if depth > 0 { inputs += Self.inputs(in: path, depth: depth - 1) }
            } else if !isBundle(path) {
                inputs.append(path)
            }
        }
        return inputs
    }

    private static func isBundle(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var start = [UInt8](repeating: 0, count: Format.magic.count)
        return read(descriptor, &start, start.count) == start.count && start == Format.magic
    }
}
