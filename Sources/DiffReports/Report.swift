public import Storage

/// What a comparison found, for people and for build servers.
public struct Report {
    private let document: Document

    /// A report of a document as `formats/diff.md` describes it. What has another form than it says is left out.
    public init(document: JSON) { self.document = Document(document) }

    /// The files whose pictures a page may show.
    public var picturePaths: [String] { (document.samples ?? []).flatMap { $0.pictures.compactMap(\.path) } }

    /// Markdown for a comment on a change, as GitHub reads it; less than 65 536 characters.
    public var markdown: String { MarkdownReport(document).text }

    /// Test results in the XML of JUnit: a case for each gate, and one for each kind of fault that was looked for and not
    /// found.
    public var junit: String { JUnitReport(document).markup.text }

    /// One page of HTML that needs nothing else.
    /// - Parameter picture: the bytes of the file of this name; nil when there is none, or when it is too large to
    ///   be shown. What is no picture that browsers know is not shown.
    /// - Throws: `limit` when there is no memory.
    public func html(picture: @escaping (String) -> [UInt8]?) throws(Failure) -> String {
        try HTMLReport(document).markup(picture: picture).text
    }
}
