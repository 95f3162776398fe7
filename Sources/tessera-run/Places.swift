import CommandSupport
import Prompts
import Storage
import Tessera

/// Finds the places that an answer names in a picture.
struct Places {
    private let model: Model
    private let original: ImageSize
    private let resized: ImageSize

    /// Places in the picture at `path`, which the model has seen.
    init(_ model: Model, picture path: String) throws(Failure) {
        self.model = model
        original = try model.decoder.size(file: path, model.prompt.images.reading)
        resized = try model.prompt.images.smartResize(original)
    }

    /// The objects of an answer, whose special tokens mark them, in pixels of the picture as given; says what looked like a
    /// place and is none.
    func objects(in answer: Session.Answer) throws(Failure) -> [LocatedObject] {
        let text = try model.requireTokenizer().decode(answer.tokens, skipSpecials: false)
        let places = model.prompt.coordinates.objects(in: text, original: original, resized: resized)
        if places.skipped > 0 {
            Console.warn(
                "\(places.skipped) of the answer's texts look like places and were skipped, first: \(places.firstSkipped ?? "")"
            )
        }
        return places.objects
    }
}
