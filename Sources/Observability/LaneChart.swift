import Foundation

/// A picture of what several workers do over time: a lane for each of them, and in it a box for each thing that it does.
public struct LaneChart: Sendable {
    /// A sort of box, as the legend has it.
    public struct Kind: Hashable, Sendable {
        public var name: String
        /// `#rrggbb`
        public var color: String

        public init(name: String, color: String) {
            self.name = name
            self.color = color
        }
    }

    public struct Box: Hashable, Sendable {
        public var start: Double
        public var end: Double
        /// Index of `kinds`.
        public var kind: Int
        /// Written into the box where there is room.
        public var text: String
        /// Shown when the pointer rests on the box.
        public var explanation: String

        public init(start: Double, end: Double, kind: Int, text: String, explanation: String) {
            self.start = start
            self.end = end
            self.kind = kind
            self.text = text
            self.explanation = explanation
        }
    }

    public struct Lane: Hashable, Sendable {
        public var label: String
        public var boxes: [Box]

        public init(label: String, boxes: [Box]) {
            self.label = label
            self.boxes = boxes
        }
    }

    public var title: String
    public var note: String
    public var kinds: [Kind]
    public var lanes: [Lane]

    public init(title: String, note: String, kinds: [Kind], lanes: [Lane]) {
        self.title = title
        self.note = note
        self.kinds = kinds
        self.lanes = lanes
    }
}

extension LaneChart {
    private enum Layout {
        static let width = 1200.0
        static let left = 90.0
        static let right = 1180.0
        static let top = 92.0
        static let laneHeight = 34.0
        static let boxHeight = 28.0
        /// Of a character of the boxes' text.
        static let characterWidth = 6.6
    }

    /// The picture as an SVG 1.1 document on a white ground; its height goes by the number of lanes.
    public func svg() -> String {
        let height = Layout.top + Double(lanes.count) * Layout.laneHeight + 24
        let end = max(lanes.flatMap(\.boxes).map(\.end).max() ?? 0, .leastNormalMagnitude)
        let scale = (Layout.right - Layout.left) / end
        let drawn = lanes.enumerated().map { row, lane in
            let y = Layout.top + Double(row) * Layout.laneHeight
            return ([ground(lane, y: y)] + lane.boxes.map { draw($0, y: y, scale: scale) }).joined(separator: "\n")
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(Layout.width))" height="\(Int(height))" \
            viewBox="0 0 \(Int(Layout.width)) \(Int(height))" font-family="Helvetica, Arial, sans-serif" font-size="12">
            <rect width="\(Int(Layout.width))" height="\(Int(height))" fill="#ffffff"/>
            <text x="20" y="28" font-size="17" font-weight="bold" fill="#222222">\(title.escapedForXML)</text>
            <text x="20" y="48" fill="#444444">\(note.escapedForXML)</text>
            \(legend)
            \(drawn.joined(separator: "\n"))
            </svg>

            """
    }

    private var legend: String {
        var x = 20.0
        return kinds.map { kind in
            defer { x += 30 + Double(kind.name.count) * 7 + 16 }
            return """
                <rect x="\(coordinate(x))" y="62" width="18" height="12" fill="\(kind.color)"/>
                <text x="\(coordinate(x + 24))" y="72" fill="#444444">\(kind.name.escapedForXML)</text>
                """
        }.joined(separator: "\n")
    }

    private func ground(_ lane: Lane, y: Double) -> String {
        """
        <text x="\(coordinate(Layout.left - 10))" y="\(coordinate(y + 18))" text-anchor="end" \
        fill="#222222">\(lane.label.escapedForXML)</text>
        <rect x="\(coordinate(Layout.left))" y="\(coordinate(y))" width="\(coordinate(Layout.right - Layout.left))" \
        height="\(coordinate(Layout.boxHeight))" fill="#f0f0f0"/>
        """
    }

    private func draw(_ box: Box, y: Double, scale: Double) -> String {
        let (x, width) = (Layout.left + box.start * scale, (box.end - box.start) * scale)
        let fits = Double(box.text.count) * Layout.characterWidth + 2 <= width
        let text =
            fits
            ? """
            <text x="\(coordinate(x + width / 2))" y="\(coordinate(y + 18))" text-anchor="middle" \
            fill="#ffffff">\(box.text.escapedForXML)</text>
            """ : ""
        return """
            <g><title>\(box.explanation.escapedForXML)</title><rect x="\(coordinate(x))" y="\(coordinate(y))" \
            width="\(coordinate(width))" height="\(coordinate(Layout.boxHeight))" fill="\(kinds[box.kind].color)" \
            stroke="#ffffff" stroke-width="0.6"/>\(text)</g>
            """
    }

    private func coordinate(_ value: Double) -> String { Quantity.fixed(value, 2) }
}
