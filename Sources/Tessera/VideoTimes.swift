import Prompts

/// What `ffprobe` says of a video stream and of each of its packets, line by line in its "compact" form.
///
/// The rate is what torchcodec takes: frames by the time from the start of the first to the end of the last. A header's
/// rate is no good where frames are uneven, as recorders of browsers and screens write them.
struct VideoTimes {
    /// Whether there is such a stream at all.
    private(set) var hasStream = false
    /// Frames that could be decoded.
    private(set) var frameCount: Int?
    /// In units of ``base`` seconds.
    private var first: Int?
    private var end: Int?
    private var base: (numerator: Double, denominator: Double)?
    /// What the header says, for streams whose packets have no times.
    private var stated: Double?

    /// Frames in a second; nil when nothing says.
    var rate: Double? {
        if let frameCount, let first, let end, let base {
            let seconds = { (time: Int) in Double(time) * base.numerator / base.denominator }
            let rate = Double(frameCount) / (seconds(end) - seconds(first))
            if FrameSampling.rates.contains(rate) { return rate }
        }
        return stated
    }

    /// Takes one line.
    mutating func read(_ line: [UInt8]) {
        var fields = String(decoding: line, as: UTF8.self).split(separator: "|")[...]
        let section = fields.popFirst()
        var values: [Substring: Substring] = [:]
        for field in fields {
            guard let equals = field.firstIndex(of: "=") else { continue }
            values[field[..<equals]] = field[equals...].dropFirst()
        }
        if section == "packet" {
            readPacket(values)
        } else if section == "stream" {
            hasStream = true
            frameCount = values["nb_read_frames"].flatMap { Int($0) }
            base = VideoTimes.fraction(values["time_base"])
            stated = [values["r_frame_rate"], values["avg_frame_rate"]].lazy.compactMap { text in
                VideoTimes.fraction(text).map { $0.numerator / $0.denominator }
            }.first { FrameSampling.rates.contains($0) }
        }
    }

    /// Packets that an edit list leaves out have no part in it.
    private mutating func readPacket(_ values: [Substring: Substring]) {
        guard values["flags"]?.contains("D") != true,
            let start = (values["pts"].flatMap { Int($0) }) ?? (values["dts"].flatMap { Int($0) })
        else { return }
        let (end, overflow) = start.addingReportingOverflow(values["duration"].flatMap { Int($0) } ?? 0)
        guard !overflow else { return }
        first = min(first ?? start, start)
        self.end = max(self.end ?? end, end)
    }

    /// A fraction such as `30000/1001`; `0/0` is none.
    static func fraction(_ text: Substring?) -> (numerator: Double, denominator: Double)? {
        let parts = (text ?? "").split(separator: "/").map { Double($0) ?? 0 }
        guard parts.count == 2, parts[0] > 0, parts[1] > 0, (parts[0] / parts[1]).isFinite else { return nil }
        return (parts[0], parts[1])
    }
}
