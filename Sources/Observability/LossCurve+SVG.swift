import Foundation

extension LossCurve {
    /// The picture as an SVG 1.1 document of `width` × `height` pixels on a white ground.
    public func svg(width: Int = 800, height: Int = 480) -> String {
        let body = (training + validation).isEmpty ? emptyPlot : plot
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
            viewBox="0 0 \(Layout.width) \(Layout.height)" font-family="Helvetica, Arial, sans-serif" font-size="13">
            <rect width="\(Layout.width)" height="\(Layout.height)" fill="#ffffff"/>
            <text x="\(Layout.left)" y="28" font-size="17" font-weight="bold" fill="#222222">\(title.escapedForXML)</text>
            \(body)
            </svg>

            """
    }

    /// The drawing's own units; width and height only scale it.
    private enum Layout {
        static let width = 800.0
        static let height = 480.0
        static let left = 74.0
        static let right = 776.0
        static let top = 62.0
        static let bottom = 424.0
    }

    private enum Ink {
        static let grid = "#e4e4e4"
        static let text = "#444444"
        static let training = "#a9c6e8"
        static let smoothed = "#1f5fa8"
        static let validation = "#c8501e"
    }

    /// Below this, powers of ten run out of digits.
    private static let smallestLogarithmic = 1e-100

    /// Enough for every pixel column to show its extremes.
    private static let pointsDrawn = 1_600

    private var emptyPlot: String {
        let words = nonFiniteCount > 0 ? "no finite loss in \(nonFiniteCount) values" : "no steps yet"
        return """
            <text x="\(Layout.width / 2)" y="\(Layout.height / 2)" text-anchor="middle" fill="\(Ink.text)">\(words)</text>
            """
    }

    private var plot: String {
        let points = training + validation
        let losses = points.map(\.loss)
        let steps = points.map(\.step)
        let horizontal = Axis.steps((steps.min() ?? 0)...(steps.max() ?? 1))
        let vertical = usesLogarithm(losses) ? Axis.logarithmic(losses) : Axis.linear(losses)

        let place = { (point: Point) -> (x: Double, y: Double) in
            (
                Layout.left + (Layout.right - Layout.left) * horizontal.position(Double(point.step)),
                Layout.bottom - (Layout.bottom - Layout.top) * vertical.position(point.loss)
            )
        }
        return [
            grid(horizontal, vertical),
            line(training.thinned(to: Self.pointsDrawn).map(place), color: Ink.training, width: 1),
            line(smoothed.thinned(to: Self.pointsDrawn).map(place), color: Ink.smoothed, width: 2),
            line(validation.thinned(to: Self.pointsDrawn).map(place), color: Ink.validation, width: 1.5),
            validation.count <= 60 ? dots(validation.map(place), color: Ink.validation) : "",
            legend,
        ].filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private func usesLogarithm(_ losses: [Double]) -> Bool {
        guard let lowest = losses.min(), let highest = losses.max(), lowest > Self.smallestLogarithmic else {
            return false
        }
        return switch scale {
        case .linear: false
        case .logarithmic: true
        case .automatic: highest / lowest > 20
        }
    }

    private func grid(_ horizontal: Axis, _ vertical: Axis) -> String {
        var parts: [String] = []
        for tick in vertical.ticks {
            let y = coordinate(Layout.bottom - (Layout.bottom - Layout.top) * vertical.position(tick.value))
            parts.append(
                """
                <line x1="\(Layout.left)" y1="\(y)" x2="\(Layout.right)" y2="\(y)" stroke="\(Ink.grid)"/>
                <text x="\(Layout.left - 8)" y="\(y)" dy="4.5" text-anchor="end" fill="\(Ink.text)">\(tick.label)</text>
                """)
        }
        for tick in horizontal.ticks {
            let x = coordinate(Layout.left + (Layout.right - Layout.left) * horizontal.position(tick.value))
            parts.append(
                """
                <line x1="\(x)" y1="\(Layout.top)" x2="\(x)" y2="\(Layout.bottom)" stroke="\(Ink.grid)"/>
                <text x="\(x)" y="\(Layout.bottom + 20)" text-anchor="middle" fill="\(Ink.text)">\(tick.label)</text>
                """)
        }
        let middle = (Layout.top + Layout.bottom) / 2
        parts.append(
            """
            <text x="\((Layout.left + Layout.right) / 2)" y="\(Layout.bottom + 42)" text-anchor="middle" \
            fill="\(Ink.text)">step</text>
            <text x="20" y="\(middle)" text-anchor="middle" fill="\(Ink.text)" \
            transform="rotate(-90 20 \(middle))">loss\(vertical.isLogarithmic ? " (logarithmic)" : "")</text>
            """)
        return parts.joined(separator: "\n")
    }

    private func line(_ points: [(x: Double, y: Double)], color: String, width: Double) -> String {
        guard let first = points.first else { return "" }
        if points.count == 1 { return dots([first], color: color) }
        let list = points.map { "\(coordinate($0.x)),\(coordinate($0.y))" }.joined(separator: " ")
        return """
            <polyline points="\(list)" fill="none" stroke="\(color)" stroke-width="\(width)" stroke-linejoin="round"/>
            """
    }

    private func dots(_ points: [(x: Double, y: Double)], color: String) -> String {
        points.map { "<circle cx=\"\(coordinate($0.x))\" cy=\"\(coordinate($0.y))\" r=\"3.5\" fill=\"\(color)\"/>" }
            .joined(separator: "\n")
    }

    /// One entry a series with its newest value, and what could not be drawn.
    private var legend: String {
        var entries: [(color: String?, words: String)] = []
        if let last = smoothed.last {
            entries.append((Ink.training, "training"))
            entries.append((Ink.smoothed, "smoothed: \(Quantity.loss(last.loss))"))
        }
        if let last = validation.last { entries.append((Ink.validation, "validation: \(Quantity.loss(last.loss))")) }
        if nonFiniteCount > 0 { entries.append((nil, "\(nonFiniteCount) not finite, left out")) }

        var x = Layout.left
        return entries.map { entry in
            let isLine = entry.color != nil
            let swatch = entry.color.map {
                "<line x1=\"\(x)\" y1=\"46\" x2=\"\(x + 22)\" y2=\"46\" stroke=\"\($0)\" stroke-width=\"3\"/>"
            }
            let text =
                "<text x=\"\(x + (isLine ? 28 : 0))\" y=\"50.5\" fill=\"\(Ink.text)\">\(entry.words)</text>"
            x += (isLine ? 28 : 0) + Double(entry.words.count) * 7 + 22
            return (swatch ?? "") + text
        }.joined(separator: "\n")
    }

    /// A hundredth of a unit is finer than any screen shows.
    private func coordinate(_ value: Double) -> String { Quantity.fixed(value, 2) }
}
