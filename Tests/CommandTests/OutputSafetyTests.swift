import Storage
import TestSupport
import Testing

/// Whatever the arguments are, no file is lost that the user did not offer.
@Suite struct OutputSafetyTests {
    private let directory: TemporaryDirectory
    private let checkpoint: String
    private let model: String

    init() throws {
        directory = try TemporaryDirectory()
        checkpoint = directory.file("checkpoint")
        model = directory.file("model.tessera")
        let made = try shell(
            """
            cp -r \(Fixtures.path("demo-qwen2-vl")) \(checkpoint) && chmod -R u+w \(checkpoint) &&
            cp \(Fixtures.path("demo-pictures/scene_0.png")) \(directory.path) &&
            tessera-from-qwen2-vl \(checkpoint) -o \(model)
            """)
        try #require(made.status == 0, "\(made.errors)")
    }

    /// Runs a command in the folder, which must refuse with words and code 2, at once, and leave everything as it was.
    private func refuses(
        _ command: String, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try shell("cd \(directory.path); find . | sort; find . -type f | sort | xargs sha256sum")
            .output
        let outcome = try shell("cd \(directory.path); \(command)", killAfter: 20)
        #expect(outcome.status == 2, "\(command): \(outcome.errors)", sourceLocation: sourceLocation)
        #expect(
            outcome.errors.contains(words), "\(command): \(outcome.errors)", sourceLocation: sourceLocation)
        let after = try shell("cd \(directory.path); find . | sort; find . -type f | sort | xargs sha256sum")
            .output
        #expect(before == after, "\(command)", sourceLocation: sourceLocation)
    }

    private func prepare(_ script: String) throws {
        let outcome = try shell("cd \(directory.path); \(script)")
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    @Test(arguments: ["", " --force"]) func anInputIsNoOutput(force: String) throws {
        try prepare(
            """
            ln -s model.tessera link; ln model.tessera hard; ln -s . here; mv model.tessera a.partial
            ln -s a.partial model.tessera; cp checkpoint/config.json recipe.json
            ln checkpoint/tokenizer.json token
            """)
        let words = "is the same file as the input"
        for output in ["model.tessera", "./model.tessera", "here/link", "hard", "a.partial", "a"] {
            try refuses("tessera-quantize model.tessera -o \(output)\(force)", words)
        }
        for output in ["model.safetensors", "config.json", "../checkpoint/chat_template.json", "../token"] {
            try refuses("tessera-from-qwen2-vl checkpoint -o checkpoint/\(output)\(force)", words)
        }
        try refuses("tessera-quantize hard -o recipe.json --recipe ./recipe.json\(force)", words)
        try prepare("cp hard other")
        try refuses("tessera-quantize hard -o other --calibration other\(force)", words)
    }

    @Test func aCalibrationFileIsNoInput() throws {
        try prepare(
            """
            mkdir set; echo 'A plain text to be cut into windows.' > set/text.txt; mv scene_0.png photo.png
            echo '{"messages":[{"role":"user","content":[{"type":"image","image":"../photo.png"},
            {"type":"text","text":"What?"}]}]}' | tr -d '\\n' > set/chats.jsonl
            """)
        for output in ["model.tessera", "set/text.txt", "set/chats.jsonl", "photo.png", "set/../photo.png"] {
            try refuses(
                "tessera-calibrate model.tessera --data set -o \(output) --force",
                "is the same file as the input")
        }
    }

    @Test(arguments: ["", " --force"]) func whatIsNoFileIsNoOutput(force: String) throws {
        try prepare("mkdir folder; mkfifo pipe; ln -s nowhere dangling; touch plain; ln -s plain link")
        for (output, words) in [
            ("/dev/null", "is a device"), ("/dev/full", "is a device"), ("pipe", "is a device, pipe"),
            ("folder", "is a folder"), ("folder/", "is a folder"), ("dangling", "is a link"),
            ("link", "is a link"), ("''", "is empty"), (".", "is a folder"),
        ] {
            try refuses("tessera-from-qwen2-vl checkpoint -o \(output)\(force)", words)
            try refuses("tessera-quantize model.tessera -o \(output)\(force)", words)
            try refuses(
                "tessera-calibrate model.tessera --data default -o \(output)\(force)", words)
        }
    }

    /// Nothing is written through what lies at the names under which a bundle grows.
    @Test func temporaryNamesAreNotTrusted() throws {
        try prepare("echo precious > victim; echo mine > own.txt")
        for (trap, words) in [
            ("ln -s victim out.partial", "is a link"), ("ln -s victim out.partial.journal", "is a link"),
            ("ln -s nowhere out.partial", "is a link"), ("mkfifo out.partial", "is a device, pipe"),
            ("mkfifo out.partial.journal", "is a device, pipe"), ("mkdir out.partial", "is a folder"),
            ("ln victim out.partial.journal", "has other names"),
            ("cp victim out.partial", "no interrupted run left it"),
            ("cp victim out.partial.journal", "is no journal"),
        ] {
            try prepare(trap)
            try refuses("tessera-quantize model.tessera -o out --force", words)
            try prepare("rm -r out.partial*")
        }
        // A hard link loses its name at most, never what it is a name of.
        try prepare(
            "ln victim out.partial; tessera-quantize model.tessera -o out || true; test $(cat victim) = precious"
        )
    }

    @Test func aKeptRunIsNotWrittenThroughALink() throws {
        try prepare(
            """
            ln -s nowhere kept; for i in $(seq 99); do echo 'What colour is the circle?'; done > text.txt
            mkfifo pipe
            """)
        let diff = "tessera-diff model.tessera model.tessera --text text.txt --ctx 32 --chunks 1 --keep-base"
        try refuses("\(diff) kept", "is a link")
        let waiting = try shell("cd \(directory.path); \(diff) pipe", killAfter: 20)
        #expect(waiting.status == 3 && waiting.errors.contains("is not a regular file"), "\(waiting.errors)")
        try prepare("\(diff) fresh && \(diff) fresh")
    }

    /// A bundle in the checkpoint's folder is no part of the checkpoint.
    @Test func anEarlierBundleIsReplacedWhenAsked() throws {
        try prepare("tessera-from-qwen2-vl checkpoint -o checkpoint/out.tessera")
        try refuses("tessera-from-qwen2-vl checkpoint -o checkpoint/out.tessera", "exists already")
        try prepare("tessera-from-qwen2-vl checkpoint -o checkpoint/out.tessera --force")
        try prepare("cmp checkpoint/out.tessera model.tessera")
    }

    /// Nobody waits for a pipe that no one writes to.
    @Test func pipesAreNoInputs() throws {
        try prepare("mkfifo pipe; cp -r checkpoint piped; rm piped/config.json; mkfifo piped/config.json")
        for command in [
            "tessera-run pipe -p x", "tessera-run model.tessera -p x --image pipe",
            "tessera-run model.tessera -p x --video pipe", "tessera-inspect pipe",
            "tessera-inspect plan model.tessera --image pipe", "tessera-diff pipe model.tessera -p x",
            "tessera-diff model.tessera --golden pipe", "tessera-diff model.tessera --answers pipe",
            "tessera-diff model.tessera model.tessera --text pipe", "tessera-quantize pipe -o out",
            "tessera-quantize model.tessera -o out --recipe ./pipe",
            "tessera-quantize model.tessera -o out --calibration pipe", "tessera-bench model pipe",
            "tessera-from-qwen2-vl piped -o out", "tessera-from-qwen2-vl pipe -o out",
            "tessera-from-qwen2-vl --manifest ./pipe --dry-run",
            "tessera-calibrate model.tessera --data pipe -o out", "tessera-run /dev/zero -p x",
        ] {
            let outcome = try shell("cd \(directory.path); \(command)", killAfter: 20)
            #expect([2, 3].contains(outcome.status), "\(command): \(outcome.status) \(outcome.errors)")
        }
    }
}
