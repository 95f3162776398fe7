import Foundation
import Storage
import TestSupport
import Testing

/// What becomes of a bundle that is being written when the process, the disk or a source goes away: nothing that is wrong, and
/// nothing that was finished is lost.
///
/// `TESSERA_CRASH_INSTANTS` says how often a run is killed, of converting and of quantizing each.
@Suite(.serialized) struct CrashSafetyTests {
    private static let work = Result {
        let directory = try TemporaryDirectory()
        try makeDirectory(directory.file("checkpoint"))
        try LargeCheckpoint.write(to: directory.file("checkpoint"))
        return directory
    }
    /// The bundles that runs left alone make, and how long these took.
    private static let whole = Result {
        let clock = ContinuousClock()
        var seconds: [Double] = []
        for command in [convert("whole"), quantize("whole", "int8")] {
            let start = clock.now
            let outcome = try inWork(command)
            guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
            seconds.append((clock.now - start) / .seconds(1))
        }
        return seconds
    }

    private static func convert(_ output: String) -> String {
        "tessera-from-qwen2-vl checkpoint -t 2 -o \(output)"
    }

    private static func quantize(_ source: String, _ output: String) -> String {
        "tessera-quantize \(source) -t 2 --recipe int8 -o \(output)"
    }

    private static func inWork(_ script: String, killAfter seconds: Double = 120) throws -> Outcome {
        // What is waited for may be over before it is seen.
        let prelude = "await() { until eval \"$1\" || ! kill -0 $id 2> /dev/null; do :; done; }"
        return try shell("cd \(try work.get().path); \(prelude); \(script)", killAfter: seconds)
    }

    private func expectSame(_ output: String, as whole: String) throws {
        let outcome = try Self.inWork("cmp \(output) \(whole) && ls \(output).* 2>/dev/null")
        #expect(outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    }

    private func remove(_ name: String) throws { _ = try Self.inWork("rm -f \(name) \(name).*") }

    // MARK: Killed

    @Test func killedAtAnyInstantConvertingGoesOn() throws {
        try killAndGoOn(Self.convert("killed"), "killed", whole: "whole", seconds: try Self.whole.get()[0])
    }

    @Test func killedAtAnyInstantQuantizingGoesOn() throws {
        try killAndGoOn(
            Self.quantize("whole", "killed8"), "killed8", whole: "int8", seconds: try Self.whole.get()[1])
    }

    /// Kills a command at instants that are random but the same in every run, until it has been killed so often; whenever it
    /// ends by itself, what it made is compared, and all begins anew.
    private func killAndGoOn(
        _ command: String, _ output: String, whole: String, seconds: Double
    ) throws {
        let instants =
            ProcessInfo.processInfo.environment["TESSERA_CRASH_INSTANTS"].flatMap { Int($0) } ?? 30
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var (kills, completions, resumptions) = (0, 0, 0)
        while kills < instants || completions == 0 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let delay = kills < instants ? seconds * Double(state >> 40) / Double(1 << 24) : 120
            let outcome = try Self.inWork("exec \(command)", killAfter: delay)
            if outcome.errors.contains("resuming after") { resumptions += 1 }
            if outcome.status == -9 { kills += 1 } else { #expect(outcome.status == 0, "\(outcome.errors)") }
            guard Path.exists(try Self.work.get().file(output)) else { continue }
            // Its final name shows the whole file or nothing.
            completions += 1
            let same = try Self.inWork("cmp \(output) \(whole)")
            #expect(same.status == 0, "\(same)")
            try remove(output)
        }
        // Runs that never had anything to go on with would prove little.
        #expect(resumptions > 0)
    }

    @Test(arguments: ["INT", "TERM"]) func interruptedRunsKeepWhatIsFinished(signal: String) throws {
        _ = try Self.whole.get()
        for (command, output, whole) in [
            (Self.convert("asked"), "asked", "whole"), (Self.quantize("whole", "asked8"), "asked8", "int8"),
        ] {
            // From the second tensor of an MLP on there is something to keep, before the first sync.
            let asked = try Self.inWork(
                """
                \(command) & id=$!
                await '[ $(stat -c %b \(output).partial 2> /dev/null || echo 0) -gt 0 ]'
                await '[ $(tail -c +4097 \(output).partial | head -c 40000000 | tail -c 1000 | tr -d "\\0" | wc -c) != 0 ]'
                kill -\(signal) $id; wait $id
                """)
            // A fast machine may be done before it is asked.
            guard asked.status != 0 else { try remove(output); continue }
            #expect(asked.status == 75 && asked.errors.contains("run the same command again"), "\(asked)")
            let again = try Self.inWork(command)
            #expect(again.status == 0 && again.errors.contains("resuming after"), "\(again.errors)")
            try expectSame(output, as: whole)
            try remove(output)
        }
    }

    // MARK: No room, no permission, no place of one's own

    @Test func aFileThatMayNotGrowIsNoLoss() throws {
        _ = try Self.whole.get()
        for (command, output, whole, limit) in [
            (Self.convert("large"), "large", "whole", 100_000),
            (Self.quantize("whole", "large8"), "large8", "int8", 20_000),
        ] {
            let full = try Self.inWork("ulimit -f \(limit); \(command)")
            #expect(full.status == 4 && full.errors.contains("File too large"), "\(full)")
            #expect(try Self.inWork(command).status == 0)
            try expectSame(output, as: whole)
            try remove(output)
        }
    }

    @Test func aFullDiskIsNoLoss() throws {
        _ = try Self.whole.get()
        let full = try mounting(
            "size=150m",
            """
            \(Self.convert("disk/out")); first=$?
            mount -o remount,size=400m disk && \(Self.convert("disk/out")) && cmp disk/out whole || exit 1
            exit $first
            """)
        guard let full else { return }
        #expect(full.status == 4 && full.errors.contains("No space left"), "\(full)")
    }

    @Test func aReadOnlyFolderIsNoLoss() throws {
        _ = try Self.whole.get()
        let readOnly = try mounting(
            "size=400m",
            """
            cp int8 disk/model && mount -o remount,ro disk || exit 1
            \(Self.convert("disk/model")) --force; status=$?
            cmp int8 disk/model && [ $(ls disk) = model ] || exit 1
            exit $status
            """)
        guard let readOnly else { return }
        #expect(readOnly.status == 4 && readOnly.errors.contains("Read-only file system"), "\(readOnly)")
    }

    /// Runs a script for which a file system in memory is mounted at `disk`; nil, with a word, where that is not allowed.
    private func mounting(_ options: String, _ script: String) throws -> Outcome? {
        let outcome = try Self.inWork(
            """
            mkdir -p disk
            unshare -m bash -c 'mount -t tmpfs -o \(options) tmpfs disk || exit 99
            \(script)'
            """)
        guard outcome.status == 99 || outcome.errors.contains("unshare") else { return outcome }
        print("no file system of a test's own can be mounted here: this was not tried")
        return nil
    }

    @Test func theSecondOfTwoWritersIsRefused() throws {
        _ = try Self.whole.get()
        let outcome = try Self.inWork(
            """
            \(Self.convert("both")) 2>first & id=$!
            await '[ -e both.partial ]'
            \(Self.quantize("whole", "both")) --force; second=$?
            wait $id && cmp both whole && exit $second
            """)
        #expect(
            outcome.status == 4 && outcome.errors.contains("another process is writing this bundle"),
            "\(outcome)")
        try remove("both")
    }

    // MARK: Sources that change

    @Test func aShardThatShrinksIsSaid() throws {
        _ = try Self.whole.get()
        let outcome = try Self.inWork(
            """
            cp -r checkpoint shrinking
            tessera-from-qwen2-vl shrinking -o shrunk & id=$!
            await '[ $(stat -c %b shrunk.partial 2> /dev/null || echo 0) -gt 0 ]'
            truncate -s 1000000 shrinking/model.safetensors
            wait $id; status=$?
            [ ! -e shrunk ] || exit 1
            rm -r shrinking shrunk.*; exit $status
            """)
        #expect(outcome.status == 4, "\(outcome)")
        #expect(outcome.errors.contains("shrinking/model.safetensors: changed while in use"), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count < 5, "no registers, no stack: \(outcome.errors)")
    }

    /// The weights are changed after they were digested, and none of them goes missing.
    @Test func aShardThatIsWrittenIsSaid() throws {
        _ = try Self.whole.get()
        let outcome = try Self.inWork(
            """
            cp -r checkpoint written
            tessera-from-qwen2-vl written -o rewritten & id=$!
            await '[ -e rewritten.partial ]'
            printf x | dd of=written/model.safetensors bs=1 seek=150000000 conv=notrunc 2>/dev/null
            wait $id; status=$?
            [ ! -e rewritten ] || exit 1
            rm -r written rewritten.*; exit $status
            """)
        #expect(
            outcome.status == 4 && outcome.errors.contains("model.safetensors: changed while in use"),
            "\(outcome)")
    }

    /// The bundle is open when the question comes from stdin.
    @Test func aBundleThatShrinksIsSaid() throws {
        _ = try Self.whole.get()
        let outcome = try Self.inWork(
            """
            # The command may end before it is asked.
            trap '' PIPE
            cp int8 open.tessera; mkfifo question
            tessera-run open.tessera -n 4 -p - < question & id=$!
            exec 3> question
            await 'grep -q open.tessera /proc/$id/maps'
            truncate -s 100000 open.tessera
            echo What? >&3 || true; exec 3>&-
            wait $id; status=$?
            rm open.tessera question; exit $status
            """)
        #expect(
            outcome.status == 4 && outcome.errors.contains("open.tessera: changed while in use"), "\(outcome)"
        )
    }
}
