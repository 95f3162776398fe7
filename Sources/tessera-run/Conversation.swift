import CommandSupport
import Runtime
import Storage
import Tessera

/// A session whose answers are shown as they come, and timed.
struct Conversation {
    private let session: Session
    private let options: Session.Options
    private let system: String?
    private let store: SessionStore?

    /// - Parameter store: where it is kept; nil for nowhere.
    init(_ session: Session, _ options: Session.Options, system: String?, store: SessionStore?) {
        self.session = session
        self.options = options
        self.system = system
        self.store = store
    }

    var model: Model { session.model }

    /// Puts a question; `show` gets the answer piece by piece; false ends it.
    /// - Throws: as ``Session/answer(_:system:options:onText:)``.
    func ask(
        _ parts: [Session.Part], show: (String) -> Bool
    ) throws(Failure) -> (answer: Session.Answer, figures: AnswerFigures) {
        let start = ContinuousClock.now
        let answer = try session.answer(parts, system: system, options: options, onText: show)
        return (answer, AnswerFigures(answer, ContinuousClock.now - start))
    }

    /// Keeps what was said, where it is to be kept.
    /// - Throws: as ``Session/save(to:)``.
    func save() throws(Failure) { try store?.save(session) }

    /// Says where an answer ended because there is no room for more of it.
    func warn(of answer: Session.Answer) {
        guard answer.end == .contextFull else { return }
        Console.warn(
            "the context of \(session.context.cache.capacity) tokens is full, which ended the answer (give a larger --ctx-size)"
        )
    }
}
