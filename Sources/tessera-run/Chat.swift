import CommandSupport
import Storage
import Tessera

/// A chat on the terminal.
struct Chat {
    private let session: Session
    private let options: Session.Options
    private let system: String?
    private let verbose: Bool

    init(_ session: Session, _ options: Session.Options, system: String?, verbose: Bool) {
        self.session = session
        self.options = options
        self.system = system
        self.verbose = verbose
    }

    /// Reads messages until the end of input or `/quit`.
    /// - Parameters:
    ///   - first: pictures and videos for the first message.
    ///   - videos: how `/video` reads.
    func run(first parts: [Session.Part], videos: Model.VideoOptions) throws(Failure) {
        var media = parts
        while true {
            guard Console.write("> "), let line = readLine(), line != "/quit" else { break }
            // A picture that cannot be read is no reason to lose the conversation.
            do {
                if line.hasPrefix("/image ") {
                    media.append(.image(try session.model.picture(String(line.dropFirst(7)))))
                    continue
                }
                if line.hasPrefix("/video ") {
                    media.append(.video(try session.model.video(String(line.dropFirst(7)), videos)))
                    continue
                }
            } catch {
                Console.warn("\(error)")
                continue
            }
            guard !line.isEmpty else { continue }
            let start = monotonicSeconds()
            var first: Double?
            let answer = try session.answer(
                media + [.text(line)], system: system, options: options
            ) { piece in
                first = first ?? monotonicSeconds()
                return Console.write(piece)
            }
            Console.write("\n")
            media = []
            if verbose {
                Console.log(AnswerFigures(answer, start: start, first: first, end: monotonicSeconds()).text)
            }
        }
        Console.write("\n")
    }
}
