internal import Storage

/// A convolution [out, t, h, w, c] that is read as [out, c, t, h, w].
struct ChannelsLastWeight: DerivedWeight {
    let name: String
    let shape: Shape
    var sources: [String] { [tensor.name] }
    var type: ElementType { tensor.type }
    private let tensor: SourceTensor

    /// - Precondition: the tensor is of rank 5.
    init(_ tensor: SourceTensor, name: String) {
        let extents = tensor.shape.extents
        precondition(extents.count == 5)
        self.tensor = tensor
        self.name = name
        shape = tensor.shape.permuted([0, 4, 1, 2, 3])
    }

    /// A row is a kernel.
    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        let (extents, width) = (shape.extents, type.width)
        let (channels, places) = (extents[1], extents[2] * extents[3] * extents[4])
        precondition(out.count == rows.count * channels * places * width)
        let bytes = tensor.data.bytes
        var target = 0
        for row in rows {
            for channel in 0..<channels {
                for place in 0..<places {
                    let source = ((row * places + place) * channels + channel) * width
                    for byte in 0..<width { out[target + byte] = bytes[source + byte] }
                    target += width
                }
            }
        }
    }
}
