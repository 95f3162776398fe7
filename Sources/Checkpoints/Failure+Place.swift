internal import Storage

extension Failure {
    /// The same failure, at its place within `outer`.
    func placed(in outer: String) -> Failure {
        Failure(kind, message, file: file, at: place.map { "\(outer), \($0)" } ?? outer, remedy: remedy)
    }
}
