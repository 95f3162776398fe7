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
        coordinates.objects(in: answer, original: original, resized: resized)
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
