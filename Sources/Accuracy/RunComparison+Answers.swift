import Bundles
public import Prompts
import SampleSets
public import Storage
public import Tessera

extension RunComparison {
    /// Both models' answers to the questions of the set whose answers are known; nil where there are none.
    public func answers(_ base: Model, _ other: Model) throws(Failure) -> AnswerComparison? {
        var items = Sides(base: [AnswerCount.Item](), other: [AnswerCount.Item]())
        for (number, item) in set.items.enumerated() {
            guard let question = item.known, let tokens = answerTokens(number) else { continue }
            let size = item.media.last?.size ?? ImageSize(width: 0, height: 0)
            items.base.append(
                .init(
                    question, answer: try base.requireTokenizer().decode(tokens.base),
                    places: try places(tokens.base, number, base), picture: size))
            items.other.append(
                .init(
                    question, answer: try other.requireTokenizer().decode(tokens.other),
                    places: try places(tokens.other, number, other), picture: size))
        }
        guard !items.base.isEmpty else { return nil }
        return try AnswerComparison(
            AnswerCount(model: base.bundle.path, items: items.base),
            AnswerCount(model: other.bundle.path, items: items.other))
    }

    /// Both models' own answers to the question that sample `number` ends with; nil where it ends with none.
    public func answerTokens(_ number: Int) -> (base: [Int32], other: [Int32])? {
        guard let start = set.items[number].ownAnswer, let other = samples[number].otherAnswer else {
            return nil
        }
        return (Array(set.prepared.samples[number].tokens[start...]), other)
    }

    /// The places in the last picture of a sample that an answer names.
    public func places(
        _ tokens: [Int32], _ number: Int, _ model: Model
    ) throws(Failure) -> [LocatedObject] {
        guard let size = set.items[number].media.last?.size else { return [] }
        // Special tokens mark places.
        let marked = try model.requireTokenizer().decode(tokens, skipSpecials: false)
        return model.prompt.coordinates.objects(
            in: marked, original: size, resized: try model.prompt.images.smartResize(size)
        ).objects
    }
}
