/// Upper and lower case, by the mappings of Unicode that Python uses.
extension MarkedText {
    var uppercased: MarkedText {
        if isASCII { return mapBytes { (97...122).contains($0) ? $0 - 32 : $0 } }
        return mapCharacters { $1[$0].properties.uppercaseMapping }
    }

    var lowercased: MarkedText {
        if isASCII { return mapBytes { (65...90).contains($0) ? $0 + 32 : $0 } }
        return mapCharacters(MarkedText.lower)
    }

    /// `str.casefold`, as far as small letters and the sharp s differ.
    var caseFolded: MarkedText {
        mapCharacters { index, scalars in
            let scalar = scalars[index]
            return scalar == "\u{DF}" || scalar == "\u{1E9E}" ? "ss" : scalar.properties.lowercaseMapping
        }
    }

    /// The first character as in titles, the others small.
    var capitalized: MarkedText {
        mapCharacters { $0 == 0 ? $1[0].properties.titlecaseMapping : MarkedText.lower($0, $1) }
    }

    var swappedCase: MarkedText {
        mapCharacters { index, scalars in
            let properties = scalars[index].properties
            if properties.isUppercase { return MarkedText.lower(index, scalars) }
            return properties.isLowercase ? properties.uppercaseMapping : String(scalars[index])
        }
    }

    /// `str.title`: a capital wherever a word begins, that is behind anything that has no case.
    var titled: MarkedText {
        mapCharacters { index, scalars in
            index > 0 && scalars[index - 1].properties.isCased
                ? MarkedText.lower(index, scalars) : scalars[index].properties.titlecaseMapping
        }
    }

    /// Jinja's filter `title`: words begin behind spaces, hyphens and opening brackets, and nowhere else.
    var titledByJinja: MarkedText {
        func separates(_ scalar: Unicode.Scalar) -> Bool {
            scalar.isPythonSpace || ["-", "(", "{", "[", "<"].contains(scalar)
        }
        return mapCharacters { index, scalars in
            index == 0 || separates(scalars[index - 1])
                ? scalars[index].properties.uppercaseMapping : MarkedText.lower(index, scalars)
        }
    }

    /// A small letter; a sigma at the end of a word is another one.
    private static func lower(_ index: Int, _ scalars: [Unicode.Scalar]) -> String {
        guard scalars[index] == "\u{3A3}" else { return scalars[index].properties.lowercaseMapping }
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let behind = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = before?.properties.isCased == true && behind?.properties.isCased != true
        return isFinal ? "\u{3C2}" : "\u{3C3}"
    }
}
