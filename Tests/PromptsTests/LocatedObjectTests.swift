import Storage
import Testing

@testable import Prompts

/// Places in answers, in each generation's way of writing and counting.
@Suite struct LocatedObjectTests {
    private let original = ImageSize(width: 2000, height: 500)
    private let resized = ImageSize(width: 400, height: 100)

    private func objects(
        _ answer: String, _ coordinates: PromptSettings.Coordinates = .thousandths
    ) -> [LocatedObject] {
        coordinates.objects(in: answer, original: original, resized: resized).objects
    }

    /// In thousandths of a picture of a thousand pixels: as written.
    private func written(_ answer: String) -> LocatedObjects {
        let size = ImageSize(width: 1000, height: 1000)
        return PromptSettings.Coordinates.thousandths.objects(in: answer, original: size, resized: size)
    }

    @Test func tagsOfTheFirstGeneration() {
        let found = objects("<ref>the dog</ref><box>(100,200),(500,1000)</box> and <box>(0,0),(1,1)</box>")
        #expect(found.map(\.coordinates) == ["200 100 1000 500", "0 0 2 0"])
        #expect(found.map(\.label) == ["the dog", "the dog"])
        let quad = objects("<quad>(0,0),(1000,0),(1000,1000),(0,1000)</quad>")
        #expect(quad.map(\.coordinates) == ["0 0 2000 0 2000 500 0 500"])
        #expect(quad.first?.label == nil)
    }

    @Test func tagsOfTheSecondGeneration() {
        let found = objects(
            "<|object_ref_start|>a cat<|object_ref_end|><|box_start|>(500,500),(250,100)<|box_end|>")
        // Corners come in order.
        #expect(found == [.init(label: "a cat", points: [.init(x: 500, y: 50), .init(x: 1000, y: 250)])])
    }

    @Test func objectsInPixelsOfTheResizedPicture() {
        let answer = """
            Here they are, "as asked:
            ```json
            [
            \t{"bbox_2d": [40, 10, 80.5, 20], "label": "sign {left}"},
            \t{"point_2d": [400, 100], "label": "corner"},
            \t{"bbox_2d": [1, 2, 3], "label": "three numbers"},
            \t{"bbox_2d": [40, 10, 80
            """
        let found = objects(answer, .resizedPixels)
        #expect(found.map(\.coordinates) == ["200 50 402 100", "2000 500"])
        #expect(found.map(\.label) == ["sign {left}", "corner"])
        #expect(found[0].json["box"]?.ints == [200, 50, 402, 100])
    }

    /// Ways of writing that models and their fine-tunes were seen to have, and what is listed for each.
    private static let ways: [(String, [String])] = [
        // An object in an object takes the name of the outer one, wherever it stands.
        (#"{"label": "dog", "place": {"bbox_2d": [1, 2, 3, 4]}}"#, ["dog 1 2 3 4"]),
        (#"{"place": {"bbox_2d": [1, 2, 3, 4]}, "label": "dog"}"#, ["dog 1 2 3 4"]),
        (
            #"{"objects": [{"name": "a", "box": {"bbox": [1,2,3,4]}}, {"name": "b", "box": {"bbox": [5,6,7,8]}}]}"#,
            ["a 1 2 3 4", "b 5 6 7 8"]
        ),
        // Numbers as texts, one by one or together.
        (#"{"bbox_2d": ["1", "2", "3", "4"], "label": "t"}"#, ["t 1 2 3 4"]),
        (#"{"bbox_2d": "1, 2, 3, 4", "label": "t"}"#, ["t 1 2 3 4"]),
        (#"{"bbox_2d": "[1, 2, 3, 4]"}"#, ["- 1 2 3 4"]), (#"{"bbox_2d": "(1,2),(3,4)"}"#, ["- 1 2 3 4"]),
        (#"{"x1": "1", "y1": "2", "x2": "3", "y2": "4", "label": "t"}"#, ["t 1 2 3 4"]),
        // Quotation marks without a partner.
        (#"The 5" sign: {"bbox_2d": [1, 2, 3, 4], "label": "sign"}"#, ["sign 1 2 3 4"]),
        (#"It's "here: [{"bbox_2d": [1, 2, 3, 4], "label": "sign"}]"#, ["sign 1 2 3 4"]),
        (#"{"bbox_2d": [1, 2, 3, 4], "label": "a 5\" \u00e9 {"}"#, ["a 5\" é { 1 2 3 4"]),
        // Single ones, with an apostrophe within.
        ("{'bbox_2d': [1, 2, 3, 4], 'label': 'the dog's ball'}", ["the dog's ball 1 2 3 4"]),
        // Tool calls, as JSON, as JSON in a text, with tags, and as code.
        (
            #"<tool_call>{"name": "use", "arguments": {"action": "click", "coordinate": [7, 8]}}</tool_call>"#,
            ["click 7 8"]
        ),
        (
            #"{"name": "drag", "arguments": "{\"start_coordinate\": [1, 2], \"end_coordinate\": [3, 4]}"}"#,
            ["drag 1 2", "drag 3 4"]
        ),
        ("<function=click><parameter=coordinate>[7, 8]</parameter></function>", ["- 7 8"]),
        ("Action: click(start_box='(7,8)')", ["- 7 8"]),
        ("click(start_box='<|box_start|>(7,8)<|box_end|>')", ["- 7 8"]),
        ("pyautogui.click(x=7, y=8)", ["- 7 8"]), ("<point>7 8</point>", ["- 7 8"]),
        // Pairs of pairs, of boxes, of points and of corners.
        (#"{"bbox": [[1, 2], [3, 4]], "label": "p"}"#, ["p 1 2 3 4"]), ("[[1, 2], [3, 4]]", ["- 1 2 3 4"]),
        (#"{"bbox_2d": [[1, 2, 3, 4], [5, 6, 7, 8]], "label": "two"}"#, ["two 1 2 3 4", "two 5 6 7 8"]),
        (#"{"points": [[1, 2], [3, 4], [5, 6]], "label": "p"}"#, ["p 1 2", "p 3 4", "p 5 6"]),
        (#"{"quad_2d": [[0, 0], [9, 0], [9, 9], [0, 9]]}"#, ["- 0 0 9 0 9 9 0 9"]),
        (#"{"bbox": ((1, 2), (3, 4))}"#, ["- 1 2 3 4"]),
        // Coordinates by name.
        (#"[{"x": 7, "y": 8, "label": "p"}]"#, ["p 7 8"]),
        (#"{"point_2d": {"x": 7, "y": 8}, "label": "p"}"#, ["p 7 8"]),
        (#"{"bbox": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}"#, ["- 1 2 3 4"]),
        (#"{"bbox": {"x": 1, "y": 2, "width": 10, "height": 20}}"#, ["- 1 2 11 22"]),
        (
            #"{"points": [{"x": 1, "y": 2, "label": "a"}, {"x": 3, "y": 4, "label": "b"}]}"#,
            ["a 1 2", "b 3 4"]
        ),
        // Fences, commas at ends and missing ones, several lists, names without marks, lists without names.
        ("```json\n[{\"bbox_2d\": [1, 2, 3, 4,], \"label\": \"a\",},]\n```", ["a 1 2 3 4"]),
        (
            #"[{"bbox_2d": [1,2,3,4]} {"bbox_2d": [5,6,7,8]}] then [{"point_2d": [9, 9]}]"#,
            ["- 1 2 3 4", "- 5 6 7 8", "- 9 9"]
        ),
        ("{bbox_2d: [1, 2, 3, 4], label: dog}", ["dog 1 2 3 4"]),
        ("- label: dog\n  bbox_2d: [1, 2, 3, 4]", ["- 1 2 3 4"]), ("It is at [1, 2, 3, 4].", ["- 1 2 3 4"]),
        ("[[1, 2, 3, 4], [5, 6, 7, 8]]", ["- 1 2 3 4", "- 5 6 7 8"]),
        // Both ways in one answer.
        (
            #"<ref>a</ref><box>(1,2),(3,4)</box> {"bbox_2d": [5, 6, 7, 8], "label": "b"}"#,
            ["a 1 2 3 4", "b 5 6 7 8"]
        ),
        // Brackets of prose before it.
        (#"Smile :( [see {this: {"bbox_2d": [1, 2, 3, 4]}"#, ["- 1 2 3 4"]),
    ]

    @Test func waysOfWriting() {
        for (answer, places) in Self.ways {
            let found = written(answer)
            let listed = found.objects.map { "\($0.label ?? "-") \($0.coordinates)" }
            #expect(listed == places, "\(answer)")
            #expect(found.skipped == 0, "\(answer): \(found.firstSkipped ?? "")")
        }
    }

    /// What looks like a place and is none is counted, and the first is shown.
    @Test func whatIsSkippedIsSaid() {
        let answers: [(String, found: Int, skipped: Int, first: String?)] = [
            (#"{"bbox_2d": [1, 2, 3]} {"bbox_2d": [1, 2, 3, 4]}"#, 1, 1, "[1, 2, 3]"),
            (#"[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7"#, 1, 1, "[5, 6, 7"),
            (#"{"bbox_2d": "1, 2, 3"}"#, 0, 1, "1, 2, 3"),
            ("<box>(1,2),(3,4),(5,6)</box>", 0, 1, "<box>(1,2),(3,4),(5,6)"),
            (#"{"polygon": [[1, 2], [3, 4], [5, 6]]}"#, 0, 1, "[[1, 2], [3, 4], [5, 6]]"),
            ("Between [10, 20] and [30, 40].", 0, 2, "[10, 20]"),
            ("No place at all, (see 3) \"there.", 0, 0, nil),
            (#"{"bbox_2d": [1, 2, "a", 4], "label": "b"}"#, 0, 1, #"[1, 2, "a", 4]"#),
        ]
        for (answer, found, skipped, first) in answers {
            let result = written(answer)
            #expect(result.objects.count == found && result.skipped == skipped, "\(answer): \(result)")
            #expect(result.firstSkipped == first, "\(answer)")
        }
    }

    /// Endings of every kind, and openings without end: twice as much takes nothing quadratic would end within the time.
    @Test func workGrowsWithTheAnswerAlone() {
        let parts = [
            "{", "[", "(", "['", "[\"", "{a:", "{\"bbox\":[", "[1,2],", "{\"x\":1,", "]", "<|", "<box>1",
            "'[",
        ]
        let clock = ContinuousClock()
        for part in parts {
            let time = clock.measure { _ = written(String(repeating: part, count: 20_000)) }
            #expect(time < .seconds(30), "\(part): \(time)")
        }
    }

    @Test func placesOutsideMoveToTheEdge() {
        let found = objects("<box>(-5,-10),(2000,9000000000)</box><box>(1,2),(3,4),(5,6)</box>")
        #expect(found.map(\.coordinates) == ["0 0 2000 500"])
        #expect(objects(#"{"bbox_2d": [0, 0, 1e300, 5]}"#).map(\.coordinates) == ["0 0 2000 2"])
    }

    /// Nothing in an answer traps, and time grows with its length alone.
    @Test func anyTextIsFine() {
        let pieces = [
            "<box>", "</box>", "<ref>", "(", ",", "12", "-", ".", "{", "}", "\"", "\\", "\n", "bbox_2d", ":",
            "[", "]",
            "<|box_start|>", "99999999999999999999", "é", "<",
        ]
        var state: UInt64 = 1
        for length in [10, 200, 200_000] {
            var text = ""
            for _ in 0..<length {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(state >> 33) % pieces.count]
            }
            for object in objects(text) { #expect(object.points.allSatisfy { (0...2000).contains($0.x) }) }
        }
        #expect(objects(String(repeating: "<ref>", count: 100_000)).isEmpty)
    }
}
