import Prompts
import Storage

/// Where a video's frames come from.
enum VideoSource {
    case folder(FrameFolder)
    case file(VideoFile)

    /// A folder of pictures, or a file that `ffmpeg` reads.
    init(_ path: String) throws(Failure) {
        self = Path.isDirectory(path) ? .folder(try FrameFolder(path)) : .file(try VideoFile(path))
    }

    /// Which frames are taken.
    func selection(_ sampling: FrameSampling) throws(Failure) -> FrameSelection {
        switch self {
        case .folder(let folder):
            try sampling.frames(ofSampled: folder.files.count, rate: sampling.fps)
        case .file(let file):
            try sampling.frames(of: file.frameCount, rate: file.rate)
        }
    }

    /// How large a frame is when it is decoded.
    func size(
        ofFrame index: Int, _ decoder: ImageDecoder, _ reading: ImagePreprocessor.Reading
    ) throws(Failure) -> ImageSize {
        switch self {
        case .folder(let folder): return try decoder.size(file: folder.files[index], reading)
        case .file(let file):
            var size = ImageSize(width: 0, height: 0)
            try file.forEachFrame([index], decoder) { size = $0.size }
            return size
        }
    }

    /// Hands the frames of these ascending numbers on as they come.
    func forEachFrame(
        _ indices: [Int], _ decoder: ImageDecoder, _ reading: ImagePreprocessor.Reading,
        _ body: (Picture) throws(Failure) -> Void
    ) throws(Failure) {
        switch self {
        case .folder(let folder):
            for index in indices {
                let file = folder.files[index]
                do { try body(try decoder.decode(file: file, reading)) } catch {
                    throw error.located(in: file)
                }
            }
        case .file(let file): try file.forEachFrame(indices, decoder, body)
        }
    }
}
