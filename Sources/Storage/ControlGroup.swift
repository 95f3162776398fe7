/// The limits of a process's control groups, in both versions that Linux has (cgroups(7)).
///
/// A limit of any group above counts too. Where a container sees its own group as the root, the group's path leads nowhere
/// and the root is what is left of the way.
struct ControlGroup {
    /// What `/proc/PID/cgroup` says: lines of number, controllers and path.
    let membership: String
    /// Where control groups are mounted.
    let root: String

    /// This process's.
    static var own: ControlGroup {
        ControlGroup(membership: Machine.text("/proc/self/cgroup") ?? "", root: "/sys/fs/cgroup")
    }

    /// As many processors as the granted time is worth, rounded up; nil without a limit.
    var processors: Int? {
        folders("cpu").compactMap { folder in
            if let words = Machine.text(Path.join(folder, "cpu.max"))?.split(whereSeparator: \.isWhitespace),
                words.count == 2
            {
                return ControlGroup.processors(quota: Int(words[0]), period: Int(words[1]))
            }
            return ControlGroup.processors(
                quota: number(folder, "cpu.cfs_quota_us"), period: number(folder, "cpu.cfs_period_us"))
        }.min()
    }

    private static func processors(quota: Int?, period: Int?) -> Int? {
        guard let quota, let period, quota > 0, period > 0, quota < 1 << 40 else { return nil }
        return max(1, (quota + period - 1) / period)
    }

    /// Bytes that the groups let their processes still take; nil without a limit. Pages of files do not count as taken, since they can
    /// go.
    var availableMemory: Int? {
        folders("memory").compactMap { folder in
            let limit = number(folder, "memory.max") ?? number(folder, "memory.limit_in_bytes")
            let used = number(folder, "memory.current") ?? number(folder, "memory.usage_in_bytes")
            guard let limit, let used, limit < 1 << 50 else { return nil }
            let statistics = Machine.text(Path.join(folder, "memory.stat")) ?? ""
            let files = ["active_file", "inactive_file"].reduce(0) { sum, name in
                sum
                    + (Machine.number(after: "total_\(name) ", in: statistics)
                        ?? Machine.number(after: "\(name) ", in: statistics) ?? 0)
            }
            return max(0, limit - max(0, used - files))
        }.min()
    }

    private func number(_ folder: String, _ name: String) -> Int? {
        Machine.text(Path.join(folder, name)).flatMap { Int($0.prefix { $0.isNumber || $0 == "-" }) }
    }

    /// The folders of the groups that may limit what `controller` controls, innermost first.
    private func folders(_ controller: String) -> [String] {
        var folders: [String] = []
        for line in membership.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let mounts: [String]
            if parts[1].isEmpty {
                mounts = [root, Path.join(root, "unified")]
            } else if parts[1].split(separator: ",").contains(Substring(controller)) {
                mounts = [Path.join(root, controller)]
            } else {
                continue
            }
            let names = parts[2].split(separator: "/").filter { $0 != ".." }
            for mount in mounts {
                for count in stride(from: names.count, through: 0, by: -1) {
                    folders.append(names.prefix(count).reduce(mount) { Path.join($0, String($1)) })
                }
            }
        }
        return folders
    }
}
