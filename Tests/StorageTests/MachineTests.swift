import TestSupport
import Testing

@testable import Storage

/// What of a machine a process may use, as the system's files say it.
@Suite struct MachineTests {
    @Test(arguments: [
        ("Cpus_allowed_list:\t0-3,8\n", 5), ("Name:\tx\nCpus_allowed_list:\t7\nMems_allowed:\t1\n", 1),
        ("Cpus_allowed_list:\t0-1,4-5,9\n", 5), ("", nil), ("Cpus_allowed_list:\t\n", nil),
        ("Cpus_allowed_list:\t5-2\n", nil), ("Cpus_allowed_list:\t0-999999999999\n", nil),
        ("Cpus_allowed_list:\tfour\n", nil),
    ])
    func affinityIsCounted(status: String, count: Int?) {
        #expect(Machine.allowedProcessors(status) == count)
    }

    @Test func thisMachineHasProcessorsAndMemory() {
        #expect(Machine.processors >= 1)
        #expect(Machine.availableMemory ?? 0 > 1 << 20)
        #expect(throws: Failure.self) { try Machine.checkMemory(for: "a tower", 1 << 60) }
        do { try Machine.checkMemory(for: "a tower", 1 << 60, remedy: "build lower") } catch {
            #expect(error.kind == .limit && error.message.hasPrefix("a tower takes 1099511627776 MiB"))
        }
    }

    /// A tree of control groups; files by their paths.
    private func group(_ membership: String, _ files: [String: String]) throws -> (
        ControlGroup, TemporaryDirectory
    ) {
        let directory = try TemporaryDirectory()
        for (path, text) in files {
            var folder = directory.path
            for name in path.split(separator: "/").dropLast() {
                folder = Path.join(folder, String(name))
                if !Path.isDirectory(folder) { try makeDirectory(folder) }
            }
            try writeFile(directory.file(path), Array(text.utf8))
        }
        return (ControlGroup(membership: membership, root: directory.path), directory)
    }

    @Test func limitsOfGroupsAboveCount() throws {
        let (group, directory) = try group(
            "0::/pod/job\n",
            [
                "pod/job/cpu.max": "max 100000\n", "pod/cpu.max": "150000 100000\n",
                "pod/job/memory.max": "4000000\n", "pod/job/memory.current": "3000000\n",
                "pod/job/memory.stat": "anon 5\nactive_file 500000\ninactive_file 1000000\n",
                "pod/memory.max": "max\n", "pod/memory.current": "9000000\n",
            ])
        withExtendedLifetime(directory) {
            #expect(group.processors == 2)
            #expect(group.availableMemory == 4_000_000 - 1_500_000)
        }
    }

    @Test func theFirstVersionIsRead() throws {
        let (group, directory) = try group(
            "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
            [
                // A container sees its own group as the root.
                "cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "8000\n", "memory/memory.usage_in_bytes": "7000\n",
                "memory/memory.stat": "active_file 1\ntotal_active_file 500\ntotal_inactive_file 100\n",
            ])
        withExtendedLifetime(directory) {
            #expect(group.processors == 1)
            #expect(group.availableMemory == 1600)
        }
    }

    @Test(arguments: ["max 100000", "-1 100000", "0 0", "", "99999999999999999999 1", "x y"])
    func noLimitIsNone(text: String) throws {
        let (group, directory) = try group(
            "0::/\n", ["cpu.max": text, "memory.max": "max", "memory.current": "7"])
        withExtendedLifetime(directory) {
            #expect(group.processors == nil)
            #expect(group.availableMemory == nil)
        }
    }
}
