import Testing

@testable import Prompts

/// Ways of writing places besides the models' own, and what is listed and skipped for each.
@Suite struct PlaceFormTests {
    /// In thousandths of a picture of a thousand pixels: as written.
    private func written(_ answer: String) -> LocatedObjects {
        let size = ImageSize(width: 1000, height: 1000)
        return PromptSettings.Coordinates.thousandths.objects(in: answer, original: size, resized: size)
    }

    private func listed(_ answer: String) -> [String] {
        written(answer).objects.map { "\($0.label ?? "-") \($0.coordinates)" }
    }

    @Test(arguments: [
        // Points as attributes of a tag, called by its `alt` or what it holds.
        (
            #"<points x1="394" y1="105" x2="500" y2="90" alt="the pin">a pin</points>"#,
            ["the pin 394 105", "the pin 500 90"]
        ),
        (#"<point x="7" y='8'>the dog's <b>ball</b></point>"#, ["the dog's 7 8"]),
        ("<point x=7 y=8.4/>", ["- 7 8"]),
        (#"<points y2="4" x1="1" x2="3" y1="2"></points>"#, ["- 3 4", "- 1 2"]),
        // The end of a gesture.
        (
            #"{"action": "swipe", "coordinate": [1, 2], "coordinate2": [3, 4]}"#,
            ["swipe 1 2", "swipe 3 4"]
        ),
        // Names as labels.
        (
            #"{"dog": [1,2,3,4], "cat": [[5,6,7,8],[9,10,11,12]]}"#,
            ["dog 1 2 3 4", "cat 5 6 7 8", "cat 9 10 11 12"]
        ),
        (#"{"dog": {"bbox_2d": [1,2,3,4]}}"#, ["dog 1 2 3 4"]),
        (#"{"dog": [{"bbox_2d": [1,2,3,4]}, {"bbox_2d": [5,6,7,8]}]}"#, ["dog 1 2 3 4", "dog 5 6 7 8"]),
        (#"{"dog": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}"#, ["dog 1 2 3 4"]),
        (#"{"objects": {"dog": {"point_2d": [1,2]}, "label": {"point_2d": [3,4]}}}"#, ["dog 1 2", "- 3 4"]),
        (
            #"{"title": "pets", "dog": {"bbox": [1,2,3,4]}, "cat": {"bbox": [5,6,7,8]}}"#,
            ["dog 1 2 3 4", "cat 5 6 7 8"]
        ),
        (#"{"keypoints": {"nose": [1,2], "tail": [3,4]}}"#, ["nose 1 2", "tail 3 4"]),
        (#"{"dog": "[1,2,3,4]", "date": "2024-01-02", "note": "1 2 3"}"#, ["dog 1 2 3 4"]),
        (#"{"objects": [[1,2,3,4]]}"#, ["- 1 2 3 4"]),
        (#"{"label": "dog", "where": [1,2,3,4]}"#, ["dog 1 2 3 4"]),
        // Names of boxes and points.
        (#"{"bounding box": [1,2,3,4]}"#, ["- 1 2 3 4"]), (#"{"bounding_box_2d": [1,2,3,4]}"#, ["- 1 2 3 4"]),
        (#"{"bounding_box": [1,2,3,4]}"#, ["- 1 2 3 4"]), (#"{"boundingBox": [1,2,3,4]}"#, ["- 1 2 3 4"]),
        (#"{"box": [1,2,3,4], "rect": [5,6,7,8]}"#, ["- 1 2 3 4", "- 5 6 7 8"]),
        (#"{"box_1": [1,2,3,4], "box_2": [5,6,7,8]}"#, ["- 1 2 3 4", "- 5 6 7 8"]),
        (#"{"keypoints": [[1,2],[3,4]], "label": "hand"}"#, ["hand 1 2", "hand 3 4"]),
        (#"{"bounds": "[0,0][100,200]", "text": "OK"}"#, ["OK 0 0 100 200"]),
        // Sides, sizes and corners.
        (#"{"left": 1, "top": 2, "right": 3, "bottom": 4}"#, ["- 1 2 3 4"]),
        (#"{"left": 1, "top": 2, "width": 10, "height": 20}"#, ["- 1 2 11 22"]),
        (#"{"x": 1, "y": 2, "width": 10, "height": 20}"#, ["- 1 2 11 22"]),
        (#"{"cx": 10, "cy": 20, "w": 4, "h": 8, "label": "m"}"#, ["m 8 16 12 24"]),
        (#"{"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}"#, ["- 1 2 3 4"]),
        (#"{"x1": 1, "y1": 2, "x2": 3, "y2": 4, "width": 2, "height": 2}"#, ["- 1 2 3 4"]),
        (#"{"top_left": [1,2], "bottom_right": [3,4], "label": "c"}"#, ["c 1 2 3 4"]),
        (#"{"bbox": {"topLeft": {"x": 1, "y": 2}, "bottomRight": {"x": 3, "y": 4}}}"#, ["- 1 2 3 4"]),
        // Lists with a text.
        (#"["dog",[1,2,3,4]]"#, ["dog 1 2 3 4"]), (#"[1,2,3,4,"dog"]"#, ["dog 1 2 3 4"]),
        (#"[["dog",[1,2,3,4]],["cat",[5,6,7,8]]]"#, ["dog 1 2 3 4", "cat 5 6 7 8"]),
        (#"{"boxes": [[1,2,3,4,"dog"],[5,6,7,8,"cat"]]}"#, ["dog 1 2 3 4", "cat 5 6 7 8"]),
        // Prose and calls.
        ("<ref>a</ref><box>(1,2),(3,4)</box> (see {\"box\": [5,6,7,8]})", ["a 1 2 3 4", "- 5 6 7 8"]),
        ("click([3, 4])", ["- 3 4"]), ("drag(x1=1, y1=2, x2=3, y2=4)", ["- 1 2", "- 3 4"]),
        ("the cat (12,34),(56,78)", ["- 12 34 56 78"]), ("the cat(12, 34), (56, 78).", ["- 12 34 56 78"]),
        ("Answer: (12,34),(56,78)", ["- 12 34 56 78"]), ("bbox: (12,34),(56,78)", ["- 12 34 56 78"]),
        ("click(100, 200)", ["- 100 200"]), ("Action: pyautogui.doubleClick(100, 200)", ["- 100 200"]),
        ("swipe(1, 2, 3, 4)", ["- 1 2", "- 3 4"]),
        // Digits in names are no coordinates.
        (#"{"bbox": "x1=10, y1=20, x2=30, y2=40"}"#, ["- 10 20 30 40"]),
        ("<box>x1: 10px; y1: 20px; 30x40</box>", ["- 10 20 30 40"]),
        // Thoughts are no answer.
        (#"<think>{"bbox": [1,2,3,4]} [</think>{"bbox": [5,6,7,8]}"#, ["- 5 6 7 8"]),
        ("<box>(1,2),(3,4)</box></think>\n\n<box>(5,6),(7,8)</box>", ["- 5 6 7 8"]),
        ("<think>a</think><box>(5,6),(7,8)</box></think>", ["- 5 6 7 8"]),
        ("<think><box>(1,2),(3,4)</box> without an end", []),
        // Whole numbers may be small.
        (#"{"bbox": [0, 0, 1, 1]}"#, ["- 0 0 1 1"]),
        // No places.
        ("f(1, 2), range(3) (see 4), [Smith, 2019] :(", []),
        (#"{"dog": [1, 2], "bbox": [1, 2, 3, 4]}"#, ["- 1 2 3 4"]),
    ])
    func understood(answer: String, places: [String]) {
        #expect(listed(answer) == places)
        let skipped = written(answer)
        #expect(skipped.skipped == 0, "\(skipped.firstSkipped ?? "")")
    }

    @Test(
        arguments: [
            (#"{"bbox_3d": [1,2,3,4,5,6,7,8,9]}"#, [], 1, "[1,2,3,4,5,6,7,8,9]"),
            (#"{"point_3d": {"x": 1, "y": 2, "z": 3}}"#, [], 1, #"{"x": 1, "y": 2, "z": 3}"#),
            (#"{"bbox_2d": [0.12, 0.5, 0.3, 1]}"#, [], 1, "0.12, 0.5, 0.3, 1"),
            ("<box>(0.1,0.2),(0.3,0.4)</box>", [], 1, "0.1, 0.2, 0.3, 0.4"),
            (#"<points x1="1" y1="2" x2="3">a</points>"#, [], 1, #"<points x1="1" y1="2" x2="3">"#),
            (#"<points x1="1" y1="2"#, [], 1, #"<points x1="1" y1="2"#),
            (#"{"top_left": [1, 2]}"#, [], 1, #"{"top_left": [1, 2]}"#),
            (#"{"x": 1, "y": 2, "wid"#, [], 1, #"{"x": 1, "y": 2, "wid"#),
            (#"{"bbox_3d": {"center": [1, 2, 3], "size": [4, 5]}}"#, [], 2, "[1, 2, 3]"),
            (#"{"dog": [1, 2]}"#, [], 1, "[1, 2]"),
            ("At (1, 2).", [], 1, "(1, 2)"),
            // What was whole before an answer ended stays.
            ("[[1, 2, 3, 4], [5, 6", ["- 1 2 3 4"], 1, "[5, 6"),
            (#"{"points": [[1, 2], [3, 4], [5"#, ["- 1 2", "- 3 4"], 1, "[5"),
            // What no name calls a place, beside what one does.
            (#"{"bbox": [1,2,3,4]} and (5,6),(7,8)"#, ["- 1 2 3 4"], 1, "5, 6, 7, 8"),
        ] as [(String, [String], Int, String)])
    func skipped(answer: String, places: [String], count: Int, first: String) {
        #expect(listed(answer) == places)
        #expect(written(answer).skipped == count)
        #expect(written(answer).firstSkipped == first)
    }

    /// Openings without end and repetitions of each form take time that grows with the answer alone.
    @Test func workGrowsWithTheAnswerAlone() {
        let parts = [
            "<points x=\"", "<points x1=\"1\" ", "<point x=1", "(1,", "(1,2),", "((", "<think>", "</think>",
            "<th",
            "{\"a\":{\"bbox\":[1,2,3,4]},", "[\"a\",[1,2,3,4]],", "click(", "{\"top_left\":", "x1",
            "{\"x\":1,\"y\":2,\"width\":",
        ]
        let clock = ContinuousClock()
        for part in parts {
            let time = clock.measure { _ = written(String(repeating: part, count: 20_000)) }
            #expect(time < .seconds(30), "\(part): \(time)")
        }
    }
}
