import Storage

/// A picture in a format that is simple enough to be read here.
protocol StoredPicture {
    var size: ImageSize { get }
    var hasAlpha: Bool { get }
    /// Red, green, blue and alpha of each pixel, rows from the top.
    /// - Throws: `badInput` when the file is damaged.
    func pixels() throws(Failure) -> [UInt8]
}

extension StoredPicture {
    static var damaged: Failure { .badInput("is a damaged picture: it is cut short or makes no sense") }
}
