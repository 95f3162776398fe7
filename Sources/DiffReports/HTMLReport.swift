import Storage

/// A part of the page with a heading of its own.
struct Section {
    let id: String
    let title: String
    let body: Markup
}

/// The page: the verdict, the gates, and a section for each part that the document has.
struct HTMLReport {
    private let document: Document

    init(_ document: Document) { self.document = document }

    func markup(picture: @escaping (String) -> [UInt8]?) throws(Failure) -> Markup {
        let (style, script) = (PackageResources.report_css, PackageResources.report_js)
        let sections = sections(picture)
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="\(try policy(style: style, script: script))">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <title>\(document.title) – tessera-diff</title>
            <style>\(Markup(trusted: String(decoding: style, as: UTF8.self)))</style>
            </head>
            <body>
            <a class="skip" href="#content">To the content</a>
            \(header)
            <nav aria-label="Sections"><ul>
            \(sections.map { "<li><a href=\"#\($0.id)\">\($0.title)</a></li>" as Markup })
            </ul></nav>
            <main id="content" tabindex="-1">
            \(sections.map(HTMLReport.markup))
            </main>
            <footer><p>Made by <code>tessera-diff</code>. Divergences are KL(base ‖ other) in nats; errors are \
            ‖difference‖ / ‖base‖; SQNR is −20 log₁₀ of that. Shades are ColorBrewer's Oranges, colours of lines \
            those of Okabe and Ito.</p></footer>
            <script>\(Markup(trusted: String(decoding: script, as: UTF8.self)))</script>
            </body>
            </html>

            """
    }

    /// Nothing is loaded, and nothing runs or styles but what this program wrote. Pictures are in the page itself.
    private func policy(style: [UInt8], script: [UInt8]) throws(Failure) -> String {
        let style = try SHA256.digest(style).bytes
        let script = try SHA256.digest(script).bytes
        guard let style = Base64.encode(style), let script = Base64.encode(script) else {
            return "default-src 'none'"
        }
        return
            "default-src 'none'; img-src data:; style-src 'sha256-\(style)'; script-src 'sha256-\(script)'; "
            + "base-uri 'none'; form-action 'none'"
    }

    private var header: Markup {
        let verdict = document.verdict ?? "What the comparison found"
        let names: Markup =
            document.base == nil && document.other == nil ? "" : "<p class=\"sides\">\(document.title)</p>"
        return """
            <header>
            \(names)
            <h1>\(verdict)</h1>
            \(status)
            </header>
            """
    }

    /// Whether the gates let it pass, in words and by a sign.
    private var status: Markup {
        guard let gates = document.gates, !gates.isEmpty else { return "" }
        let failed = document.failedGates.count
        let words =
            failed == 0
            ? "\(Words.number(gates.count, "gate")) passed"
            : "\(failed) of \(Words.number(gates.count, "gate")) failed"
        return
            "<p class=\"status \(failed == 0 ? "passed" : "failed")\">\(failed == 0 ? "✓" : "✗") \(words)</p>"
    }

    private func sections(_ picture: @escaping (String) -> [UInt8]?) -> [Section] {
        [
            document.gates.flatMap(Section.gates),
            document.findings.map(Section.findings),
            Section.divergence(document),
            document.stages.flatMap(Section.layers),
            document.attribution.flatMap(Section.modules),
            document.positions.flatMap(Section.sequence),
            document.tensors.flatMap(Section.tensors),
            document.samples.flatMap { Section.samples($0, picture) },
            document.accuracy.map(Section.answers),
            Section.sides(document),
        ].compactMap { $0 }
    }

    private static func markup(_ section: Section) -> Markup {
        """
        <section id="\(section.id)" aria-labelledby="\(section.id)-h">
        <h2 id="\(section.id)-h">\(section.title)</h2>
        \(section.body)
        </section>

        """
    }
}
