import Accuracy
import BundleCommands
import Bundles
import CommandSupport
import Storage

extension Diff {
    /// Makes the bundle among both sides anew of the other, and says what differs.
    func verify(_ first: String, _ second: String) throws(Failure) {
        let (checkpoint, path): (String, String)
        switch (GivenSide(first), GivenSide(second)) {
        case (.checkpoint(let source), .bundle(let bundle)), (.bundle(let bundle), .checkpoint(let source)):
            (checkpoint, path) = (source, bundle)
        default:
            throw Failure(
                .usage, "--verify compares a bundle with the checkpoint that it was made of",
                remedy: "give one of each")
        }
        let verification = try BundleVerification(
            checkpoint, reading.options, try Bundle(path), threads: threads)
        print(verification)
        guard let worst = verification.findings.first else { return }
        throw Failure(.mismatch, worst.words, file: path, remedy: worst.remedy)
    }

    private func print(_ verification: BundleVerification) {
        guard !reports.json else {
            let document = JSON.pairs([
                "verdict": .string(verification.verdict), "same_bytes": .int(verification.same),
                "within_format": .int(verification.withinFormat), "not_judged": .int(verification.notJudged),
                "different": .int(verification.different),
                "findings": .array(verification.findings.map(\.json)),
            ])
            return Console.print(document.serialized(pretty: true))
        }
        Console.print(verification.verdict)
        if !verification.findings.isEmpty { Console.print("\n" + WeightReport.text(verification.findings)) }
    }
}
