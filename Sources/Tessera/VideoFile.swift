import Prompts
import Storage

/// A video in a file, which `ffprobe` and `ffmpeg` read.
struct VideoFile {
    let path: String
    /// Frames that can be decoded.
    let frameCount: Int
    /// Frames in a second; nil when neither the frames nor the file say.
    let rate: Double?

    /// Counts the frames of the video at `path`, and reads their times.
    /// - Throws: `badInput` when the programs are not installed or can make nothing of the file, or it is a picture.
    init(_ path: String) throws(Failure) {
        guard Path.exists(path) else { throw Failure(.io, "is not there", file: path) }
        // From a pipe or a device ffprobe would wait for ever.
        guard Path.isRegularFile(path) else { throw .badInput("is not a regular file", file: path) }
        let picture = Failure.badInput(
            "is a picture, not a video", file: path, remedy: "give it with --image, or /image in a chat")
        do throws(Failure) {
            try self.init(probing: path)
        } catch {
            throw try ImageDecoder.isPicture(file: path) ? picture : error
        }
        if frameCount == 1, try ImageDecoder.isPicture(file: path) { throw picture }
    }

    private init(probing path: String) throws(Failure) {
        // "V" leaves out the pictures that are attached to audio files, and the covers of films.
        let probe = try VideoFile.start(
            "ffprobe",
            ["-v", "error"] + VideoFile.input(path) + [
                "-select_streams", "V:0", "-count_frames", "-show_entries",
                "packet=pts,dts,duration,flags:stream=time_base,r_frame_rate,avg_frame_rate,nb_read_frames",
                "-of",
                "compact",
            ])
        var times = VideoTimes()
        do {
            try probe.forEachLine(limit: 4096) { times.read($0) }
            try probe.finish()
        } catch { throw error.located(in: path) }
        guard times.hasStream else { throw .badInput("has no video stream", file: path) }
        guard let count = times.frameCount, count > 0, count <= 1 << 32 else {
            throw .badInput("has a video stream without frames", file: path)
        }
        self.path = path
        frameCount = count
        rate = times.rate
    }

    /// Decodes the frames of these ascending numbers and hands each on as it comes.
    /// - Throws: `badInput` when the programs fail or do not give what was asked for, `limit` when a frame is larger than
    ///   pictures may be, and what `body` throws.
    func forEachFrame(
        _ indices: [Int], _ pictures: ImageDecoder, _ body: (Picture) throws(Failure) -> Void
    ) throws(Failure) {
        let wanted = indices.indices.filter { $0 == 0 || indices[$0 - 1] != indices[$0] }.map { indices[$0] }
        let choice = VideoFile.choice(wanted[...])
        let decoder = try VideoFile.start(
            "ffmpeg",
            ["-nostdin", "-v", "error"] + VideoFile.input(path) + [
                "-map", "0:V:0", "-vf", "select=\(choice)", "-fps_mode", "passthrough", "-frames:v",
                "\(wanted.count)", "-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "pipe:1",
            ])
        let frames = FrameReader(decoder, path: path, pictures)
        var frame: Picture?
        for (position, index) in indices.enumerated() {
            if position == 0 || indices[position - 1] != index { frame = try frames.next() }
            guard let frame else {
                // Why it ended early is better said by the program itself.
                do { try decoder.finish() } catch { throw error.located(in: path) }
                throw .badInput("ended after \(position) of \(indices.count) frames", file: path)
            }
            try body(frame)
        }
        guard try frames.next() == nil else { throw .badInput("gave more frames than asked for", file: path) }
        do { try decoder.finish() } catch { throw error.located(in: path) }
    }

    /// The expression that is true for the frames of these numbers. A balanced sum, since the depth is limited to 100.
    static func choice(_ indices: ArraySlice<Int>) -> String {
        guard indices.count > 1 else { return "eq(n\\,\(indices.first ?? 0))" }
        let middle = indices.startIndex + indices.count / 2
        return "(\(choice(indices[..<middle]))+\(choice(indices[middle...])))"
    }

    /// Only files may be opened, by a name that cannot be taken for anything else.
    private static func input(_ path: String) -> [String] {
        ["-protocol_whitelist", "file", "-i", "file:" + path]
    }

    private static func start(_ program: String, _ arguments: [String]) throws(Failure) -> Subprocess {
        guard let process = try Subprocess(program, arguments) else {
            throw .badInput(
                "videos are read by \(program), which is not installed",
                remedy: "install ffmpeg (apt-get install ffmpeg), or give a folder with the video's frames")
        }
        return process
    }
}

/// Reads pictures in Portable Pixmap form, one after the other.
private final class FrameReader {
    private let process: Subprocess
    private let path: String
    private let pictures: ImageDecoder

    init(_ process: Subprocess, path: String, _ pictures: ImageDecoder) {
        self.process = process
        self.path = path
        self.pictures = pictures
    }

    /// The next picture; nil at the end.
    func next() throws(Failure) -> Picture? {
        guard let magic = try word() else { return nil }
        guard magic == "P6", let width = try word().flatMap({ Int($0) }),
            let height = try word().flatMap({ Int($0) }), try word() == "255", width > 0, height > 0
        else { throw .badInput("ffmpeg gave no frames that can be understood", file: path) }
        let size = ImageSize(width: width, height: height)
        do { try pictures.check(size) } catch { throw error.located(in: path) }
        var pixels = [UInt8](repeating: 0, count: 3 * width * height)
        let filled = pixels.withUnsafeMutableBytes { bytes in
            Result { () throws(Failure) in try process.fill(bytes) }
        }
        guard try filled.get() == pixels.count,
            let picture = Picture(size: size, pixels: pixels)
        else { throw .badInput("ended within a frame", file: path) }
        return picture
    }

    /// The next word of a header, up to one white space; nil at the end.
    private func word() throws(Failure) -> String? {
        var word: [UInt8] = []
        while word.count < 16 {
            var byte: UInt8 = 0
            let count = withUnsafeMutableBytes(of: &byte) { bytes in
                Result { () throws(Failure) in try process.read(into: bytes) }
            }
            guard try count.get() > 0 else {
                return word.isEmpty ? nil : String(decoding: word, as: UTF8.self)
            }
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: " ") { break }
            word.append(byte)
        }
        return String(decoding: word, as: UTF8.self)
    }
}
