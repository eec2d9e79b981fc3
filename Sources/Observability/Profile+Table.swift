import Numerics

extension Profile {
    /// The profile as a reader sees it: times are means over the steps, in milliseconds.
    public var table: String {
        guard stepCount > 0 else { return "no step was profiled\n" }
        var lines = heading
        for group in Group.allCases {
            let members = rows.filter { $0.group == group }
            if members.isEmpty { continue }
            lines.append("")
            lines += group == .collectives ? collectiveLines(members) : operatorLines(group.heading, members)
        }
        lines += ["", sumLine]
        if !besides.isEmpty {
            lines += ["", "besides the steps"]
            lines += besides.map {
                "  \($0.title): \($0.calls) × \(Quantity.fixed($0.seconds * 1e3 / Double($0.calls), 2)) ms"
            }
        }
        if droppedCount > 0 {
            lines += ["", "\(droppedCount) spans did not fit and are missing: profile fewer steps"]
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private var heading: [String] {
        let threads = facts.threads == 1 ? "1 thread" : "\(facts.threads) threads"
        let place = facts.ranks == 1 ? threads : "rank \(facts.rank) of \(facts.ranks), \(threads)"
        return [
            "profile of steps \(facts.firstStep) to \(facts.firstStep + stepCount - 1): \(place), "
                + "\(Quantity.fixed(stepSeconds / Double(stepCount) * 1e3, 2)) ms a step",
            "measured in this run\(facts.ranks == 1 ? "" : ", on all ranks at once"): multiply-add peak "
                + "\(Quantity.fixed(facts.peakGFLOPs, 1)) GFLOP/s, copy bandwidth "
                + "\(Quantity.fixed(facts.copyGBs, 1)) GB/s",
            "floor: the slower of operations at that peak and bytes, each operand once, at that bandwidth",
            "  (above 100%: operands came from a cache, or were written where they had just been read, unlike a copy's)",
        ]
    }

    private func operatorLines(_ heading: String, _ rows: [Row]) -> [String] {
        let columns = ["calls", "ms", "of step", "speed", "of floor", "floor ms", "idle"]
        return [Self.line(heading, columns)]
            + rows.map { row in
                let speed =
                    row.isComputeBound
                    ? "\(Quantity.fixed(row.work.operations / row.seconds / 1e9, 1)) GFLOP/s"
                    : row.work.bytes > 0 ? "\(Quantity.fixed(row.work.bytes / row.seconds / 1e9, 1)) GB/s" : ""
                return Self.line(
                    "  " + row.title,
                    [
                        Self.perStep(row.calls, stepCount), milliseconds(row.seconds), share(row.seconds), speed,
                        row.floorSeconds > 0 ? Quantity.percent(row.floorSeconds / row.seconds) : "",
                        row.floorSeconds > 0 ? milliseconds(row.floorSeconds) : "",
                        facts.threads > 1 && row.seconds > 0
                            ? Quantity.percent(row.idleSeconds / row.seconds / Double(facts.threads)) : "",
                    ])
            } + [totalLine(rows)]
    }

    private func collectiveLines(_ rows: [Row]) -> [String] {
        let columns = ["calls", "ms", "of step", "waiting ms", "MB", "GB/s", "floor ms"]
        return [Self.line("collectives", columns)]
            + rows.map { row in
                let transfer = row.seconds - row.waitingSeconds
                return Self.line(
                    "  " + row.title,
                    [
                        Self.perStep(row.calls, stepCount), milliseconds(row.seconds), share(row.seconds),
                        milliseconds(row.waitingSeconds),
                        Quantity.fixed(row.work.bytes / Double(stepCount) / 1e6, row.work.bytes < 1e8 ? 3 : 1),
                        row.work.bytes > 0 && transfer > 0 ? Quantity.fixed(row.work.bytes / transfer / 1e9, 2) : "",
                        milliseconds(row.floorSeconds),
                    ])
            } + [totalLine(rows)]
    }

    private func totalLine(_ rows: [Row]) -> String {
        let seconds = rows.reduce(0) { $0 + $1.seconds }
        let floor = rows.reduce(0) { $0 + $1.floorSeconds }
        return Self.line("  together", ["", milliseconds(seconds), share(seconds), "", "", milliseconds(floor), ""])
    }

    private var sumLine: String {
        let floor = rows.reduce(0) { $0 + $1.floorSeconds }
        let seconds = rows.reduce(0) { $0 + $1.seconds }
        return "sum: \(milliseconds(seconds)) ms; with everything at its floor: \(milliseconds(floor)) ms, "
            + "\(Quantity.percent(floor / seconds)) of it"
    }

    private func milliseconds(_ seconds: Double) -> String {
        Quantity.fixed(seconds / Double(stepCount) * 1e3, 2)
    }

    private func share(_ seconds: Double) -> String { Quantity.fixed(seconds / stepSeconds * 100, 1) + "%" }

    private static func perStep(_ count: Int, _ steps: Int) -> String {
        count.isMultiple(of: steps) ? String(count / steps) : Quantity.fixed(Double(count) / Double(steps), 1)
    }

    private static let widths = [7, 10, 9, 15, 10, 10, 6]

    private static func line(_ title: String, _ cells: [String]) -> String {
        let name = title + String(repeating: " ", count: max(48 - title.count, 1))
        var line = name
        for (cell, width) in zip(cells, widths) {
            line += String(repeating: " ", count: max(width - cell.count, 1)) + cell
        }
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }
}

extension Profile.Group {
    fileprivate var heading: String {
        switch self {
        case .forward: "forward"
        case .recomputation: "forward again"
        case .backward: "backward"
        case .collectives: "collectives"
        case .rest: "the rest"
        }
    }
}
