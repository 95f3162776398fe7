/// Values of one width that additions join, through all graphs: turned by one orthogonal matrix, they leave what a model
/// computes as it is (QuaRot's R1, arXiv 2404.00456).
///
/// Whatever writes the stream writes it turned. An RMS norm divides by a length, which turning leaves alone, once its weight
/// stands in the columns of the linears that read it; and these columns turn back.
public struct ResidualStream: Hashable, Sendable {
    /// A weight whose products the stream is the sum of.
    public struct Writer: Hashable, Sendable {
        /// What of the weight makes the stream.
        public enum Part: Hashable, Sendable {
            /// Of an embedding.
            case columns(Range<Int>)
            /// Of a linear; of experts' weights all rows, as many as the stream is wide for each of them.
            case rows(Range<Int>)
        }

        /// The name of its slot.
        public let weight: String
        /// The bias of a linear, if it has one.
        public let bias: String?
        /// What of them makes the stream.
        public let part: Part

        /// A writer from its parts.
        public init(weight: String, bias: String?, part: Part) {
            self.weight = weight
            self.bias = bias
            self.part = part
        }
    }

    /// A norm of the stream, and what reads its rows.
    public struct Reader: Hashable, Sendable {
        /// The name of the norm's weight.
        public let norm: String
        /// The weights of the linears, which read one of its rows, or several side by side.
        public let linears: [String]

        /// A reader from its parts.
        public init(norm: String, linears: [String]) {
            self.norm = norm
            self.linears = linears
        }
    }

    /// Columns of the stream.
    public let width: Int
    /// Each weight of theirs is used once.
    public let writers: [Writer]
    /// Each weight of theirs is used once.
    public let readers: [Reader]

    /// A stream from its parts.
    public init(width: Int, writers: [Writer], readers: [Reader]) {
        self.width = width
        self.writers = writers
        self.readers = readers
    }
}

extension ModelGraph {
    /// Its residual streams that may be turned, and what stands against turning the others.
    public var residualStreams: (turnable: [ResidualStream], objections: [String]) {
        var walk = ResidualWalk(self)
        var (turnable, objections): ([ResidualStream], [String]) = ([], [])
        for (index, graph) in graphs.enumerated() {
            for node in graph.nodes {
                guard case .rmsNorm(let norm) = node.operation, norm.heads == 1,
                    let found = walk.stream(around: node.operands[0], of: index)
                else { continue }
                switch found {
                case .success(let stream): turnable.append(stream)
                case .failure(let objection):
                    if !objections.contains(objection.reason) { objections.append(objection.reason) }
                }
            }
        }
        return (turnable, objections)
    }
}
