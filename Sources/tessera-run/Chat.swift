import CommandSupport
import Prompts
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
    func run(firstPictures: [String]) throws(Failure) {
        var pictures: [Patches] = []
        for path in firstPictures { pictures.append(try session.model.picture(path)) }
        while true {
            Console.write("> ")
            guard let line = readLine(), line != "/quit" else { return Console.write("\n") }
            if line.hasPrefix("/image ") {
                // A picture that cannot be read is no reason to lose the conversation.
                do { pictures.append(try session.model.picture(String(line.dropFirst(7)))) } catch {
                    Console.warn("\(error)")
                }
                continue
            }
            guard !line.isEmpty else { continue }
            let start = monotonicSeconds()
            var first: Double?
            let answer = try session.answer(
                pictures.map(Session.Part.image) + [.text(line)], system: system, options: options
            ) { piece in
                first = first ?? monotonicSeconds()
                Console.write(piece)
                return true
            }
            Console.write("\n")
            pictures = []
            if verbose {
                Console.log(AnswerFigures(answer, start: start, first: first, end: monotonicSeconds()).text)
            }
        }
    }
}
