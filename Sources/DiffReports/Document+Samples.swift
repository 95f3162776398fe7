import Storage

/// A conversation or a window of a text that both ran.
struct Sample {
    let name: String
    let tokens, visualTokens: Int?
    let mean, standardError, sameTop1: Double?
    let prompt, baseAnswer, otherAnswer: String?
    let firstDifference: AnswerDifference?
    let pictures: [Picture]
    /// The positions that were compared; read when they are shown, since there may be a million.
    private let scored: [JSON]

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        name = json.text("name") ?? "a sample"
        (tokens, visualTokens) = (json["tokens"]?.int, json["visual_tokens"]?.int)
        (mean, standardError) = (json.measure("mean"), json.measure("standard_error"))
        sameTop1 = json.measure("same_top1")
        prompt = json.text("prompt")
        (baseAnswer, otherAnswer) = (json["base_answer"]?.string, json["other_answer"]?.string)
        firstDifference = json["first_difference"].flatMap(AnswerDifference.init)
        pictures = json.list("pictures", Picture.init) ?? []
        scored = json["scored"]?.array ?? []
    }

    var scoredCount: Int { scored.count }

    /// The first positions that were compared, so many at most.
    func scoredTokens(_ limit: Int) -> [ScoredToken] { scored.prefix(limit).compactMap(ScoredToken.init) }
}

/// A position and the token that follows there.
struct ScoredToken {
    let text: String
    let kl, baseProbability, otherProbability: Double?
    /// Whether both find the same token most likely.
    let agrees: Bool
    let isAnswer: Bool

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        text = json["text"]?.string ?? ""
        kl = json.measure("kl")
        (baseProbability, otherProbability) = (
            json.measure("base_probability"), json.measure("other_probability")
        )
        agrees = json["same"]?.bool ?? true
        isAnswer = json["answer"]?.bool ?? false
    }
}

/// Where two answers part.
struct AnswerDifference {
    /// The token's number in the answers.
    let token: Int
    let base, other: [Candidate]

    /// A token that could follow.
    struct Candidate {
        let text: String
        let probability: Double?
    }

    init?(_ json: JSON) {
        guard let token = json["token"]?.int ?? json.int else { return nil }
        self.token = token
        let candidates = { (key: String) in
            json.list(key) { candidate in
                candidate["text"]?.string.map {
                    Candidate(text: $0, probability: candidate.measure("probability"))
                }
            } ?? []
        }
        (base, other) = (Array(candidates("base").prefix(5)), Array(candidates("other").prefix(5)))
    }
}

/// A picture or video, its visual tokens and what both models found in it.
struct Picture {
    let path: String?
    let width, height: Int?
    let grid: Grid?
    let boxes: (base: [Box], other: [Box])

    /// The largest side that is believed, in pixels.
    static let largestSide = 1 << 20
    /// The most boxes that are drawn of a side.
    static let mostBoxes = 100

    /// Visual tokens and the relative L2 error of each.
    struct Grid {
        let frames, rows, columns: Int
        let errors: [Double]

        init?(_ json: JSON) {
            guard let extents = json["grid"]?.ints, extents.count == 3, let errors = json["error"]?.array,
                extents.allSatisfy({ (1...1 << 16).contains($0) }),
                extents[0] * extents[1] * extents[2] == errors.count
            else { return nil }
            (frames, rows, columns) = (extents[0], extents[1], extents[2])
            self.errors = errors.map { $0.measure ?? .nan }
        }
    }

    /// Opposite corners in pixels.
    struct Box {
        let x, y, width, height: Double

        init?(_ json: JSON) {
            guard let corners = json.array?.compactMap(\.double), corners.count == 4,
                corners.allSatisfy({ abs($0) <= Double(Picture.largestSide) })
            else { return nil }
            (x, y) = (min(corners[0], corners[2]), min(corners[1], corners[3]))
            (width, height) = (abs(corners[2] - corners[0]), abs(corners[3] - corners[1]))
        }
    }

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        path = json.text("path")
        let sides = [json["width"]?.int, json["height"]?.int].compactMap { $0 }
        let areSides = sides.count == 2 && sides.allSatisfy { (1...Picture.largestSide).contains($0) }
        (width, height) = areSides ? (sides[0], sides[1]) : (nil, nil)
        grid = Grid(json)
        let boxes = { (key: String) in
            Array((json["boxes"]?.list(key, Box.init) ?? []).prefix(Picture.mostBoxes))
        }
        self.boxes = (boxes("base"), boxes("other"))
    }
}

/// Questions with known answers.
struct AnswerAccuracy {
    let questions, baseRight, otherRight, onlyBase, onlyOther: Int?
    let drop, dropError, pValue: Double?
    let wrong: [Wrong]

    /// A question that one or both answer wrong.
    struct Wrong {
        let image, question, expected, baseAnswer, otherAnswer: String?
        let iou, clickDistance: Double?

        init?(_ json: JSON) {
            guard json.members != nil else { return nil }
            (image, question, expected) = (json.text("image"), json.text("question"), json.text("expected"))
            (baseAnswer, otherAnswer) = (json["base_answer"]?.string, json["other_answer"]?.string)
            (iou, clickDistance) = (json.measure("iou"), json.measure("click_distance"))
        }
    }

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        questions = json["questions"]?.int
        (baseRight, otherRight) = (json["base_right"]?.int, json["other_right"]?.int)
        (onlyBase, onlyOther) = (json["only_base"]?.int, json["only_other"]?.int)
        (drop, dropError, pValue) = (
            json.measure("drop"), json.measure("drop_error"), json.measure("p_value")
        )
        wrong = json.list("wrong", Wrong.init) ?? []
    }
}
