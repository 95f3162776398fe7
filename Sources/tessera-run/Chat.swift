import CommandSupport
import Storage
import Tessera

/// A chat on the terminal.
struct Chat {
    private let conversation: Conversation
    private let videos: VideoReader
    private let verbose: Bool

    /// - Parameter videos: how `/video` reads.
    init(_ conversation: Conversation, videos: VideoReader, verbose: Bool) {
        self.conversation = conversation
        self.videos = videos
        self.verbose = verbose
    }

    /// Reads messages until the end of input or `/quit`.
    /// - Parameter parts: pictures and videos for the first message.
    func run(first parts: [Session.Part]) throws(Failure) {
        var media = parts
        while true {
            guard Console.write("> "), let line = readLine(), line != "/quit" else { break }
            // What cannot be read or has no room is no reason to lose the conversation.
            do {
                if line.hasPrefix("/image ") {
                    media.append(.image(try conversation.model.picture(String(line.dropFirst(7)))))
                } else if line.hasPrefix("/video ") {
                    media.append(.video(try videos.read(String(line.dropFirst(7)), conversation.model)))
                } else if !line.isEmpty {
                    let said = media + [.text(line)]
                    media = []
                    try say(said)
                }
            } catch {
                guard error.kind != .interrupted else { throw error }
                Console.log("error: \(error); nothing was said")
            }
        }
        Console.write("\n")
    }

    private func say(_ parts: [Session.Part]) throws(Failure) {
        let (answer, figures) = try conversation.ask(parts) { Console.write($0) }
        Console.write("\n")
        conversation.warn(of: answer)
        if verbose { Console.log(figures.text) }
        do { try conversation.save() } catch { Console.warn("the conversation was not saved: \(error)") }
    }
}
