/// How answers are compared with those that are right.
///
/// Normalised as the evaluation of VQA v2 does (github.com/GT-Vision-Lab/VQA, `vqaEval.py`), which also TextVQA and GQA's users
/// take: lower case, no punctuation, no articles, the words for 0 to 10 as digits, white space as one space. What is done otherwise,
/// since there it makes wrong answers right: an article alone stays (`A` of A, B, C), and so does the sign of a number.
/// Similarity is ANLS of DocVQA (Biten et al. 2019, "Scene Text Visual Question Answering").
public enum AnswerText {
    /// The text of which only what matters is left.
    public static func normalized(_ text: String) -> String {
        let words = withoutPunctuation(Array(text.lowercased())).split(whereSeparator: \.isWhitespace)
            .map(String.init)
        let telling = words.filter { !articles.contains($0) }
        return (telling.isEmpty ? words : telling).map { digits[$0] ?? $0 }.joined(separator: " ")
    }

    private static let articles: Set = ["a", "an", "the"]
    private static let digits = [
        "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
        "seven": "7", "eight": "8", "nine": "9", "ten": "10",
    ]

    private static func withoutPunctuation(_ text: [Character]) -> String {
        var result = ""
        for (index, character) in text.enumerated() {
            let isAfterDigit = index > 0 && text[index - 1].isWholeNumber
            let isBeforeDigit = index + 1 < text.count && text[index + 1].isWholeNumber
            switch character {
            case "'", "’", "‘": break
            case ",": if !(isAfterDigit && isBeforeDigit) { result.append(" ") }
            case ".", ":": result.append(isAfterDigit && isBeforeDigit ? character : " ")
            case "-", "−":
                let beginsWord = index == 0 || text[index - 1].isWhitespace
                result.append(beginsWord && isBeforeDigit ? "-" : " ")
            case "%", "&", "#", "*": result.append(character)
            case "=", "+", "<", ">", "`": result.append(" ")
            default: result.append(character.isPunctuation ? " " : character)
            }
        }
        return result
    }

    /// How alike an answer is to the expected one that is most alike: 1 − distance / length, where the distance is how many
    /// characters are to be changed (Levenshtein) and the length that of the longer, in lower case with white space as one space;
    /// 0 below one half.
    public static func similarity(_ answer: String, to expected: [String]) -> Double {
        expected.map { similarity(plain(answer), plain($0)) }.max() ?? 0
    }

    private static func plain(_ text: String) -> [Character] {
        Array(text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " "))
    }

    private static func similarity(_ a: [Character], _ b: [Character]) -> Double {
        let longest = max(a.count, b.count)
        guard longest > 0 else { return 1 }
        // What is more than half as long again is too far, however it reads.
        guard 2 * abs(a.count - b.count) < longest else { return 0 }
        let share = Double(distance(a, b)) / Double(longest)
        return share < 0.5 ? 1 - share : 0
    }

    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let change = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(change, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}
