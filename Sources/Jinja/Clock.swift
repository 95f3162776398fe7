import Glibc

/// The time that `strftime_now` tells.
struct Clock: Sendable {
    private let seconds: Int
    private let isUniversal: Bool

    /// The time of this moment, where the machine stands.
    static var now: Clock { Clock(seconds: time(nil), isUniversal: false) }

    /// A moment at Greenwich, in seconds since 1970.
    static func universal(_ seconds: Int) -> Clock { Clock(seconds: seconds, isUniversal: true) }

    /// The time in a format of `strftime`, in English.
    func formatted(_ format: String) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        if isUniversal { gmtime_r(&seconds, &parts) } else { localtime_r(&seconds, &parts) }
        // One character more tells an empty result from one that did not fit.
        let format = format + " "
        var room = 256
        while room <= 1 << 20 {
            let text = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                count = buffer.withMemoryRebound(to: CChar.self) { characters in
                    strftime(characters.baseAddress, room, format, &parts)
                }
            }
            if !text.isEmpty { return String(decoding: text.dropLast(), as: UTF8.self) }
            room *= 4
        }
        return ""
    }
}
