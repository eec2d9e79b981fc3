import Foundation

/// Lines over a few named places, such as a measurement over the number of ranks, as an SVG picture.
public struct LinePlot: Sendable {
    public struct Series: Sendable {
        public var name: String
        /// One of the plot's colours; series of one colour belong together.
        public var color: Int
        /// How the line is drawn: 0 solid, then ever more broken.
        public var dash: Int
        /// A value at some of the places, by their index.
        public var values: [Int: Double]

        public init(name: String, color: Int, dash: Int, values: [Int: Double]) {
            self.name = name
            self.color = color
            self.dash = dash
            self.values = values
        }
    }

    public var title: String
    /// What the places are, below the horizontal axis.
    public var placesTitle: String
    /// Labels of the horizontal axis.
    public var places: [String]
    public var series: [Series]

    public init(title: String, placesTitle: String, places: [String], series: [Series]) {
        self.title = title
        self.placesTitle = placesTitle
        self.places = places
        self.series = series
    }

    private enum Layout {
        static let width = 560.0
        static let left = 62.0
        static let right = 544.0
        static let top = 40.0
        static let bottom = 290.0
        static let legend = 346.0
        static let legendLine = 19.0
    }

    private static let colors = ["#1f5fa8", "#c8501e", "#3a8a3f", "#7a4fa0", "#8a6d1f", "#555555"]
    private static let dashes = ["", "7 4", "2 4", "10 3 2 3", "1 6"]

    /// The vertical axis begins at 0. Values that are not finite are left out.
    public var svg: String {
        let values = series.flatMap { $0.values.values }.filter(\.isFinite)
        let height = Layout.legend + Double((series.count + 1) / 2) * Layout.legendLine
        let body =
            values.isEmpty || places.isEmpty
            ? "<text x=\"\(Layout.width / 2)\" y=\"160\" text-anchor=\"middle\" fill=\"#444444\">no values</text>"
            : plot(Axis.linear(values + [0]))
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(Layout.width))" height="\(Int(height))" \
            viewBox="0 0 \(Layout.width) \(height)" font-family="Helvetica, Arial, sans-serif" font-size="12">
            <rect width="\(Layout.width)" height="\(height)" fill="#ffffff"/>
            <text x="\(Layout.left)" y="24" font-size="15" font-weight="bold" fill="#222222">\(title.escapedForXML)</text>
            \(body)
            </svg>
            """
    }

    private func plot(_ vertical: Axis) -> String {
        func x(_ place: Int) -> Double {
            Layout.left + (Layout.right - Layout.left) * (Double(place) + 0.5) / Double(places.count)
        }
        func y(_ value: Double) -> Double {
            Layout.bottom - (Layout.bottom - Layout.top) * vertical.position(value)
        }
        var parts = vertical.ticks.map { tick in
            """
            <line x1="\(Layout.left)" y1="\(fixed(y(tick.value)))" x2="\(Layout.right)" y2="\(fixed(y(tick.value)))" \
            stroke="#e4e4e4"/><text x="\(Layout.left - 8)" y="\(fixed(y(tick.value) + 4))" text-anchor="end" \
            fill="#444444">\(tick.label)</text>
            """
        }
        parts += places.enumerated().map { index, label in
            "<text x=\"\(fixed(x(index)))\" y=\"\(Layout.bottom + 18)\" text-anchor=\"middle\" fill=\"#444444\">"
                + "\(label.escapedForXML)</text>"
        }
        parts.append(
            "<text x=\"\((Layout.left + Layout.right) / 2)\" y=\"\(Layout.bottom + 36)\" text-anchor=\"middle\" "
                + "fill=\"#444444\">\(placesTitle.escapedForXML)</text>")
        for (index, line) in series.enumerated() {
            let points = line.values.filter(\.value.isFinite).sorted { $0.key < $1.key }.map {
                (x($0.key), y($0.value))
            }
            parts.append(drawn(line, points) + legend(line, index))
        }
        return parts.joined(separator: "\n")
    }

    private func drawn(_ line: Series, _ points: [(Double, Double)]) -> String {
        let list = points.map { "\(fixed($0.0)),\(fixed($0.1))" }.joined(separator: " ")
        let dots = points.map {
            "<circle cx=\"\(fixed($0.0))\" cy=\"\(fixed($0.1))\" r=\"3\" fill=\"\(color(line))\"/>"
        }
        return "<polyline points=\"\(list)\" fill=\"none\" \(stroke(line))/>" + dots.joined()
    }

    private func legend(_ line: Series, _ index: Int) -> String {
        let left = Layout.left + Double(index % 2) * (Layout.right - Layout.left) / 2
        let y = Layout.legend + Double(index / 2) * Layout.legendLine
        return "<line x1=\"\(left)\" y1=\"\(y)\" x2=\"\(left + 30)\" y2=\"\(y)\" \(stroke(line))/>"
            + "<text x=\"\(left + 36)\" y=\"\(y + 4)\" fill=\"#444444\">\(line.name.escapedForXML)</text>"
    }

    private func color(_ line: Series) -> String { Self.colors[line.color % Self.colors.count] }

    private func stroke(_ line: Series) -> String {
        let dash = Self.dashes[line.dash % Self.dashes.count]
        return "stroke=\"\(color(line))\" stroke-width=\"2\"" + (dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\"")
    }

    private func fixed(_ value: Double) -> String { Quantity.fixed(value, 1) }
}
