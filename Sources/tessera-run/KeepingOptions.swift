import ArgumentParser
import CommandSupport
import Storage
import Tessera

/// What is kept from one run to the next.
struct KeepingOptions: ParsableArguments {
    @Option(
        help: """
            Keep the conversation in this file: go on from it where it is there, and save it after each answer. With -n 0 a \
            prompt is only read, and what is asked next belongs to the same message.
            """)
    var session: String?

    @Flag(name: .customLong("session-ro"), help: "Go on from --session's file, and leave it as it is.")
    var isSessionReadOnly = false

    @Option(
        help: """
            Keep what encoding makes of pictures and videos in this folder, up to 1 GiB, so that one that is asked about \
            again is not encoded again.
            """)
    var featureCache: String?

    mutating func validate() throws {
        guard !isSessionReadOnly || session != nil else {
            throw ValidationError("--session-ro needs --session")
        }
    }

    /// The file of the conversation, if it is to be kept in one.
    /// - Parameter inputs: every file that is read.
    /// - Throws: `usage` when the file cannot be written without harm.
    func store(inputs: [String]) throws(Failure) -> SessionStore? {
        guard let session else { return nil }
        let place =
            isSessionReadOnly ? nil : try OutputPath(session, replacing: true, inputs: inputs)
        return SessionStore(path: session, place: place)
    }

    /// A cache of encoded pictures and videos of which so many bytes are held in memory.
    func features(inMemory limit: Int) throws(Failure) -> FeatureCache {
        let folder = try featureCache.map { (path) throws(Failure) in
            try FeatureFolder(path) { Console.warn("\($0)") }
        }
        return FeatureCache(limit: limit, folder: folder)
    }
}

/// The file that a conversation is kept in.
struct SessionStore {
    let path: String
    /// Where it is saved; nil where it is only read.
    let place: OutputPath?

    /// The conversation of the file, or a new one where there is none yet.
    /// - Throws: as ``Session/init(_:resuming:capacity:)``.
    func open(_ model: Model, capacity: Int) throws(Failure) -> Session {
        place == nil || Path.exists(path)
            ? try Session(model, resuming: path, capacity: capacity)
            : try Session(model, capacity: capacity)
    }

    /// - Throws: as ``Session/save(to:)``.
    func save(_ session: Session) throws(Failure) {
        if let place { try session.save(to: place) }
    }
}
