/// Gates and checks as test results, in the XML that JUnit's Ant task began and build servers read.
struct JUnitReport {
    private let document: Document

    init(_ document: Document) { self.document = document }

    /// What comparing weights looks for, by the names of findings (`docs/accuracy.md`).
    private static let weightChecks = [
        "missing", "shape", "not-finite", "swapped-with", "rows-permuted", "rows-swapped", "row-negated",
        "row-scaled",
        "group-scaled", "channels-swapped", "differs", "encoding-worse-than-expected", "graph",
        "prompt-settings",
    ]

    var markup: Markup {
        let gates = document.gates ?? []
        let found = Set((document.findings ?? []).map(\.kind))
        let checks = document.tensors == nil ? [] : JUnitReport.weightChecks.filter { !found.contains($0) }
        let cases = gates.map(testCase) + checks.map { passed("check", $0) }
        let failures = document.failedGates.count
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="tessera-diff" tests="\(cases.count)" failures="\(failures)" errors="0">
            <testsuite name="\(line(document.title))" tests="\(cases.count)" failures="\(failures)" errors="0" skipped="0">
            \(cases)<system-out>\(output)</system-out>
            </testsuite>
            </testsuites>

            """
    }

    private func passed(_ kind: String, _ name: String) -> Markup {
        "<testcase classname=\"tessera-diff.\(kind)\" name=\"\(line(name))\"/>\n"
    }

    private func testCase(_ gate: Gate) -> Markup {
        guard !gate.passed else { return passed("gate", gate.name) }
        let measured = "measured \(Words.figure(gate.figure)), limit \(Words.figure(gate.limit))"
        return """
            <testcase classname="tessera-diff.gate" name="\(line(gate.name))">
            <failure type="gate" message="\(line(gate.words ?? measured))">\(measured)</failure>
            </testcase>

            """
    }

    /// The verdict and the findings, which fail nothing: they are for people to look at.
    private var output: String {
        let findings = (document.findings ?? []).prefix(100).map { finding in
            let measured = finding.measured.map { " [\($0)]" } ?? ""
            let remedy = finding.remedy.map { "\n    \($0)" } ?? ""
            return "\(finding.kind): \(finding.words)\(measured)\(remedy)"
        }
        return ([document.verdict].compactMap { $0 } + findings).joined(separator: "\n")
    }

    /// A text on one line, as attributes have it.
    private func line(_ text: String) -> String {
        String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
    }
}
